"""A child process that does what its request says, however bad; for the tests of the sandbox."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lathe_steps.errors import BadInput
from lathe_steps.reasons import Reason
from lathe_worker.apart import Limits, apart
from lathe_worker.child import serve

Progress = Callable[[float, str], None]
ONE_CORE_SECOND = Limits(memory=2 * 1024**3, cpu=1, file=1024**2)


def handle(request: str, progress: Progress, saved: Callable[[Path], None]) -> str:
    """Do one of ACTS."""
    said: dict[str, Any] = json.loads(request)
    if said["act"] == "save":
        saved(Path(said["folder"]))
        return "null"
    return json.dumps(ACTS[said["act"]](said, progress))


def echo(said: dict[str, Any], _: Progress) -> object:
    return said


def count(_: dict[str, Any], progress: Progress) -> object:
    for i in range(1001):
        progress(i / 1000, f"{i} of 1000")
    return None


def chat(_: dict[str, Any], __: Progress) -> object:
    sys.stdout.write("a toolchain prints\n")
    sys.stdout.flush()
    subprocess.run(["echo", "a toolchain's child prints"], check=True)
    return None


def die(said: dict[str, Any], _: Progress) -> object:
    os.kill(os.getpid(), said["signal"])
    return None


def leave(said: dict[str, Any], _: Progress) -> object:
    os._exit(said["code"])


def stop(_: dict[str, Any], __: Progress) -> object:
    raise BadInput("it is bad", reason=Reason.UNSAFE_MODEL)


def fail(_: dict[str, Any], __: Progress) -> object:
    raise ValueError("first line\nsecond line")


def exhaust(_: dict[str, Any], __: Progress) -> object:
    raise MemoryError


def hang(_: dict[str, Any], __: Progress) -> object:
    threading.Event().wait()
    return None


def forge(_: dict[str, Any], __: Progress) -> object:
    """Write to every open pipe what is no answer."""
    for number in range(3, 32):
        try:
            os.write(number, b"nonsense\n")
        except OSError:
            continue
    threading.Event().wait()
    return None


def spawn(said: dict[str, Any], progress: Progress) -> object:
    """Start a process that would live on, write down its id, and hang."""
    child = subprocess.Popen(["sleep", "600"])
    Path(said["file"]).write_text(str(child.pid))
    progress(0.5, "spawned")
    return hang(said, progress)


def environment(_: dict[str, Any], __: Progress) -> object:
    return dict(os.environ)  # noqa: TID251 - to see what it was given


def where(_: dict[str, Any], __: Progress) -> object:
    return [str(Path.cwd()), sys.path[0]]


def fork(said: dict[str, Any], progress: Progress) -> object:
    """Do another act in a process of its own, with limits."""
    do = json.dumps(said["do"])
    return json.loads(apart(lambda: handle(do, progress, lambda _: None), ONE_CORE_SECOND))


def eat(_: dict[str, Any], __: Progress) -> object:
    return len(bytearray(8 * 1024**3))


def burn(_: dict[str, Any], __: Progress) -> object:
    while True:
        pass


def write(said: dict[str, Any], _: Progress) -> object:
    return Path(said["file"]).write_bytes(bytes(2 * 1024**2))


ACTS: dict[str, Callable[[dict[str, Any], Progress], object]] = {
    act.__name__: act
    for act in (
        echo,
        count,
        chat,
        die,
        leave,
        stop,
        fail,
        exhaust,
        hang,
        forge,
        spawn,
        environment,
        where,
        fork,
        eat,
        burn,
        write,
    )
}


if __name__ == "__main__":
    serve(handle)
