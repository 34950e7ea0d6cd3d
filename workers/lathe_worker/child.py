"""The child process: it holds no credentials, and does what its parent asks, line by line.

A request is one line on standard input. Answers go to what was standard output when the process
started (see `lathe_worker.wire`). Whatever a toolchain prints goes to standard error.
"""

import logging
import math
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import IO

from lathe_worker.errors import classify
from lathe_worker.wire import Line, Told, failure_of

Progress = Callable[[float, str], None]
Saved = Callable[[Path], None]
Handler = Callable[[str, Progress, Saved], str]
"""Gets a request as JSON, and whom to tell of progress and of checkpoints; gives the answer as
JSON."""

INTERVAL = 0.2
"""Least seconds between two lines of progress."""

log = logging.getLogger(__name__)


def serve(handle: Handler) -> None:
    """Answer requests for as long as there is a parent to ask; does not return.

    Takes over standard input and output. The process has to be the leader of its own group.
    """
    requests = os.fdopen(os.dup(sys.stdin.fileno()), encoding="utf-8")
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    with open(os.devnull) as nothing:  # noqa: PTH123 - a device, not a path
        os.dup2(nothing.fileno(), sys.stdin.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def send(line: Line) -> None:
        answers.write(line.model_dump_json(exclude_none=True) + "\n")
        answers.flush()

    for request in _as_long_as_there_is_a_parent(requests):
        send(_answer(handle, request, send))


def _as_long_as_there_is_a_parent(requests: IO[str]) -> Iterator[str]:
    """Yield requests; end the whole process group as soon as there can be no more of them.

    A thread reads them, so that a parent that is killed takes its child along even in the middle
    of a step.
    """
    queue: SimpleQueue[str] = SimpleQueue()

    def read() -> None:
        for line in requests:
            queue.put(line)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=read, daemon=True).start()
    while True:
        yield queue.get()


def _answer(handle: Handler, request: str, send: Callable[[Line], None]) -> Line:
    def saved(folder: Path) -> None:
        send(Line(saved=folder))

    try:
        return Line(answer=handle(request, _throttled(send), saved))
    except Exception as error:  # whatever it was, the parent has to know
        log.debug("the request failed", exc_info=True)
        return Line(stopped=failure_of(classify(error)))


def _throttled(send: Callable[[Line], None]) -> Progress:
    """Pass on progress as often as somebody can look at it."""
    due = -math.inf

    def tell(share: float, message: str) -> None:
        nonlocal due
        now = time.monotonic()
        if now >= due:
            due = now + INTERVAL
            send(Line(progress=Told(share=float(share), message=message)))

    return tell


def main() -> None:
    """Serve the parent that started this process."""
    logging.basicConfig()
    for package in ("lathe_worker", "lathe_steps"):
        logging.getLogger(package).setLevel(sys.argv[1] if len(sys.argv) > 1 else logging.WARNING)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    from lathe_worker.workbench import Workbench  # noqa: PLC0415 - serving itself is light

    serve(Workbench().handle)


if __name__ == "__main__":
    main()
