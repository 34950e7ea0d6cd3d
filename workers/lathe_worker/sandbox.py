"""The parent's end of a child process: what it is given, what it sees, and how it ends."""

import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from lathe_worker.apart import Died
from lathe_worker.wire import Line, stopped_of

Progress = Callable[[float, str], None]

LONGEST_LINE = 64 * 1024 * 1024
"""Most bytes of one answer; whoever sends more is not to be trusted."""
PIECE = 64 * 1024
KEPT = ("PATH", "LANG", "TZ", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHASHSEED")
KEPT_FAMILIES = (
    "LC_",
    "OMP_",
    "MKL_",
    "OPENBLAS_",
    "CUDA_",
    "CUBLAS_",
    "CUDNN_",
    "NVIDIA_",
    "TORCH_",
    "PYTORCH_",
    "ORT_",
)
"""What a child sees of its parent's environment: what toolchains are tuned by, no credentials."""


OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}
"""Keeps packages of architectures from calling home; they have nothing to load there."""


class TookTooLong(Exception):  # noqa: N818 - named by what happened
    """The child did not answer in time; it was killed."""


class Child:
    """A process with a session of its own: what it starts ends with it, and it with its parent."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        home: Path,
        environment: Mapping[str, str],
        output: Path | None = None,
    ) -> None:
        """Start a Python program that serves requests (see `lathe_worker.child.serve`).

        Args:
            command: What follows the interpreter, such as -m lathe_worker.child.
            home: Its working, home and temporary directory.
            environment: Of the parent; it is scrubbed.
            output: File that what it prints is added to; without it, it goes where the parent's
                standard error goes.
        """
        own = {"HOME": str(home), "TMPDIR": str(home), "USER": "lathe", **OFFLINE}
        with _opened(output) as printed:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-P", *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=printed,
                cwd=home,
                env={**scrubbed(environment), **own},
                start_new_session=True,
            )
        self._ended = False

    def ask(
        self,
        request: str,
        *,
        progress: Progress | None = None,
        keep: Callable[[Path], None] | None = None,
        timeout: float | None = None,
    ) -> str:
        """Send a request, one line of JSON, and wait for the answer, which is JSON too.

        Args:
            request: What to do.
            progress: Called with what the child says meanwhile.
            keep: Called with each folder that the child says it saved.
            timeout: Seconds, after which the child is killed.

        Raises:
            Stopped: What the child says that stopped it.
            Died: The child ended, or does not keep to the protocol, which ends it.
            TookTooLong: It did not answer in time.
        """
        requests, answers = self._process.stdin, self._process.stdout
        if self._ended or requests is None or answers is None:
            raise Died(self._process.returncode)
        with suppress(BrokenPipeError):  # why it ended is seen when its answer is read
            requests.write(request.encode() + b"\n")
            requests.flush()
        deadline = None if timeout is None else time.monotonic() + timeout
        for text in _lines(answers, deadline):
            line = self._read(text)
            if line.progress and progress:
                progress(line.progress.share, line.progress.message)
            if line.saved and keep:
                keep(line.saved)
            if line.stopped:
                raise stopped_of(line.stopped)
            if line.answer is not None:
                return line.answer
        self.kill()
        raise TookTooLong

    def _read(self, text: bytes) -> Line:
        try:
            return Line.model_validate_json(text)
        except ValidationError:
            self.kill()
            raise Died(self._process.returncode) from None

    def kill(self) -> None:
        """End the child and everything that it started, at once; can be called twice."""
        if self._ended:
            return
        self._ended = True
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # who ended before keeps the exit code
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(BrokenPipeError):
                if pipe is not None:
                    pipe.close()


def _opened(output: Path | None) -> AbstractContextManager[IO[bytes] | None]:
    return nullcontext() if output is None else output.open("ab")


def _lines(pipe: IO[bytes], deadline: float | None) -> Iterator[bytes]:
    """Yield lines as they come, then nothing but empty ones; end when time is up."""
    buffer, seen = bytearray(), 0
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while selector.select(_left(deadline)):
            piece = os.read(pipe.fileno(), PIECE)
            if not piece or len(buffer) > LONGEST_LINE:
                yield b""
            buffer += piece
            while (end := buffer.find(b"\n", seen)) >= 0:
                yield bytes(buffer[:end])
                del buffer[: end + 1]
                seen = 0
            seen = len(buffer)


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - time.monotonic())


def scrubbed(environment: Mapping[str, str]) -> dict[str, str]:
    """What a child may see of an environment."""
    return {
        name: value
        for name, value in environment.items()
        if name in KEPT or name.startswith(KEPT_FAMILIES)
    }
