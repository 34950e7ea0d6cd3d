"""Doing something in a process of its own, forked from this one, so that it may crash or run wild.

A fork has what this process has imported, so nothing heavy is loaded twice.
"""

import logging
import os
import resource
from collections.abc import Callable

from lathe_steps.base import Parameters
from lathe_worker.errors import classify
from lathe_worker.wire import Line, failure_of, stopped_of

STANDARD = 3
"""File descriptors below are standard input, output and error."""

log = logging.getLogger(__name__)


class Limits(Parameters):
    """Most that a process may use."""

    memory: int
    """Bytes that it may allocate."""
    cpu: int
    """Seconds of CPU time."""
    file: int
    """Bytes of the largest file that it may write."""

    def hold(self) -> None:
        """Let them hold for this process from now on."""
        wanted = {
            resource.RLIMIT_DATA: self.memory,
            resource.RLIMIT_CPU: self.cpu,
            resource.RLIMIT_FSIZE: self.file,
            resource.RLIMIT_CORE: 0,
        }
        for kind, most in wanted.items():
            _, hard = resource.getrlimit(kind)
            least = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(kind, (least, least))


class Died(Exception):  # noqa: N818 - named by what happened
    """A process ended instead of answering.

    Attributes:
        returncode: As subprocess gives it: negative for a signal.
    """

    def __init__(self, returncode: int) -> None:
        super().__init__(f"it ended with {returncode}")
        self.returncode = returncode


def apart(do: Callable[[], str], limits: Limits) -> str:
    """Do it in another process; its answer comes back.

    Raises:
        Stopped: What stopped it.
        Died: The process ended without an answer.
    """
    read, write = os.pipe()
    if (pid := os.fork()) == 0:
        _only(do, limits, write)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        said = pipe.read()
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    if code or not said:
        raise Died(code)
    line = Line.model_validate_json(said)
    if line.stopped:
        raise stopped_of(line.stopped)
    return line.answer or ""


def _only(do: Callable[[], str], limits: Limits, write: int) -> None:
    """Be the other process: it has no pipe but the one for its answer, and ends here."""
    code = 1
    try:
        most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        os.closerange(STANDARD, write)
        os.closerange(write + 1, most)
        limits.hold()
        line = _line(do)
        with os.fdopen(write, "wb") as pipe:
            pipe.write(line.model_dump_json(exclude_none=True).encode())
        code = 0
    finally:
        os._exit(code)


def _line(do: Callable[[], str]) -> Line:
    try:
        return Line(answer=do())
    except Exception as error:
        log.debug("it stopped", exc_info=True)
        return Line(stopped=failure_of(classify(error)))
