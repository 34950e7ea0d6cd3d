"""Says what is being done, and how long it took: one line for each stage."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Stages:
    """Prints stages as they go, on standard error, so that results can be piped."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    @contextmanager
    def stage(self, what: str) -> Iterator[None]:
        """Prints `what` when it begins, and its seconds on the same line when it ends."""
        started = time.monotonic()
        self._write(f"{what:<60} ")
        try:
            yield
        except BaseException:
            self._write("failed\n")
            raise
        self._write(f"{time.monotonic() - started:7.1f} s\n")

    def note(self, text: str) -> None:
        """Prints a detail of the stage that goes on, on a line of its own."""
        self._write(f"\n    {text:<56} ")

    def total(self, what: str) -> None:
        """Prints the seconds since this began."""
        self._write(f"{what:<60} {time.monotonic() - self._started:7.1f} s\n")

    @staticmethod
    def _write(text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()
