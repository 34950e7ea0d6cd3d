"""Running contestants, each in a process of its own, and keeping what they made."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.compression.contestants.plugin import REPOSITORY

THREADS = 1


@dataclass(frozen=True, slots=True)
class Ran:
    """What a process took.

    Attributes:
        seconds: Wall time.
        cpu_seconds: Of it and of all that it started and waited for.
        peak_bytes: Memory of the largest process among them.
        threads: That it was allowed.
        load: Load average of the machine when it began.
    """

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    threads: int
    load: float


class Failed(Exception):  # noqa: N818 - named by what happened
    """The process ended badly; the message names its log."""


def contest(module: str, task: Path, out: Path, arguments: Sequence[str]) -> Ran:
    """Let a contestant work on a task, unless its result is there.

    `out` holds its files, log.txt, and ran.json, which is written last.
    """
    ran = out / "ran.json"
    if ran.exists():
        return Ran(**json.loads(ran.read_text()))
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    name = f"benchmarks.compression.contestants.{module}"
    found = run([sys.executable, "-m", name, task, out, *arguments], out / "log.txt")
    ran.write_text(json.dumps(asdict(found), indent=1) + "\n")
    shutil.rmtree(out / "storage", ignore_errors=True)  # data and model are the task's
    return found


def once(file: Path, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Figures that are made once, and read from a file from then on."""
    if not file.exists():
        figures = make()
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(figures, indent=1) + "\n")
    return dict(json.loads(file.read_text()))


def run(command: Sequence[str | Path], log: Path) -> Ran:
    """Run a process to its end, and see what it took.

    Raises:
        Failed: When it ended with another exit code than 0.
    """
    threads = {name: str(THREADS) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    load = os.getloadavg()[0]
    began = time.perf_counter()
    with log.open("ab") as file:
        process = subprocess.Popen(
            [str(word) for word in command],
            stdout=file,
            stderr=subprocess.STDOUT,
            cwd=REPOSITORY,
            env={**os.environ, **threads},  # noqa: TID251 - a program's main
        )
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise Failed(f"ended with {process.returncode}: see {log}")
    cpu = used.ru_utime + used.ru_stime
    return Ran(time.perf_counter() - began, cpu, used.ru_maxrss * 1024, THREADS, load)
