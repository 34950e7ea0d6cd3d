"""Running contestants, each in a process of its own, and keeping what they made."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.compression.contestants.plugin import REPOSITORY

THREADS = 1
USAGE = Path(__file__).with_name("usage.py")


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
    usage = log.with_name(f"{log.stem}.usage.json")
    with log.open("ab") as file:
        ended = subprocess.run(
            [str(word) for word in noted(usage, command)],
            stdout=file,
            stderr=subprocess.STDOUT,
            cwd=REPOSITORY,
            env={**os.environ, **threads},  # noqa: TID251 - a program's main
            check=False,
        )
    if ended.returncode:
        raise Failed(f"ended with {ended.returncode}: see {log}")
    return Ran(**json.loads(usage.read_text()), threads=THREADS, load=load)


def noted(file: Path, command: Sequence[str | Path]) -> list[str | Path]:
    """The command, wrapped so that what it took is written to a file."""
    return [sys.executable, "-I", "-S", USAGE, file, *command]
