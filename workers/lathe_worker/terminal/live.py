"""Progress of a run: one moving line on a terminal, plain lines where there is none."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from lathe_api.v1alpha1.status import Progress as Report
from lathe_worker.report import words

EVERY_SECONDS = 10.0
"""Least time between two plain lines about the same step."""


def reporter(console: Console) -> "Live | Plain":
    """What fits the console; to be entered while the run goes on."""
    return Live(console) if console.is_terminal else Plain(console)


class Live:
    """A line for each stage that is done, and below them a bar for the whole run."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("[bold]{task.fields[step]}"),
            BarColumn(bar_width=28),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[message]}"),
            console=console,
            transient=True,
        )
        self._clock = clock
        self._task = self._progress.add_task("", total=100, step="", message="")
        self._step = ""
        self._since = clock()

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Take the bar away."""
        self._progress.stop()

    def update(self, progress: Report) -> None:
        """See `Reporter.update`."""
        if progress.step != self._step:
            self._done()
            self._step, self._since = progress.step, self._clock()
        if progress.percent == 100:  # noqa: PLR2004 - all of it
            self._done()
            self._step = ""
        self._progress.update(
            self._task,
            completed=progress.percent,
            step=escape(progress.step),
            message=escape(progress.message),
        )

    def refresh(self) -> None:
        """Draw now; else it is drawn ten times a second."""
        self._progress.refresh()

    def _done(self) -> None:
        if self._step:
            taken = words.seconds(self._clock() - self._since)
            self._progress.console.print(
                f"[green]✓[/] {self._step} [dim]{taken}[/]", highlight=False
            )


class Plain:
    """A line when a stage begins, and now and then what it is doing; for logs."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._step = ""
        self._due = 0.0

    def __enter__(self) -> Self:
        """Nothing to begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing to end."""

    def update(self, progress: Report) -> None:
        """See `Reporter.update`."""
        now = self._clock()
        if progress.step == self._step and now < self._due:
            return
        self._step, self._due = progress.step, now + EVERY_SECONDS
        said = f": {progress.message}" if progress.message else ""
        count = f"{progress.step_index}/{progress.steps}"
        self._console.print(
            f"{progress.percent:3d}% {count} {progress.step}{said}", markup=False, soft_wrap=True
        )
