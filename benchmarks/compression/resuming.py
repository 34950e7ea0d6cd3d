"""Kill -9 in the middle of a chain, start it again, and see what was lost and what came out."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.compression.contestants import lathe
from benchmarks.compression.contestants.plugin import environment
from benchmarks.compression.measure import digest

POLL = 0.1
SHARES = (0.35, 0.6, 0.8)
"""How far into the time of an undisturbed run it is killed, one after the other."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One process.

    Attributes:
        seconds: Until it ended or was killed.
        marks: Seconds after its start when a checkpoint or a finished step had been kept.
        killed: Whether it was.
    """

    seconds: float
    marks: tuple[float, ...]
    killed: bool

    @property
    def lost(self) -> float:
        """Seconds of work that nothing was kept of."""
        return self.seconds - max(self.marks, default=0.0) if self.killed else 0.0


def measured(
    task: Path, out: Path, chain: str, values: Sequence[str], shares: Sequence[float] = SHARES
) -> dict[str, Any]:
    """An undisturbed run, then one that is killed again and again; whether the bytes are equal."""
    whole = _attempt(_prepared(task, out / "whole", chain, values), out / "whole", None)
    resource = _prepared(task, out / "killed", chain, values)
    attempts: list[Attempt] = []
    for share, before in zip(shares, (0.0, *shares), strict=False):
        attempts.append(_attempt(resource, out / "killed", (share - before) * whole.seconds))
        if not attempts[-1].killed:
            break
    if attempts[-1].killed:
        attempts.append(_attempt(resource, out / "killed", None))
    pauses = [after - before for before, after in zip(whole.marks, whole.marks[1:], strict=False)]
    return {
        "whole_seconds": whole.seconds,
        "longest_iteration_seconds": max(pauses, default=whole.seconds),
        "kills": sum(attempt.killed for attempt in attempts),
        "lost_seconds": [attempt.lost for attempt in attempts if attempt.killed],
        "all_seconds": sum(attempt.seconds for attempt in attempts),
        "same_bytes": _result(out / "whole") == _result(out / "killed"),
    }


def _prepared(task: Path, out: Path, chain: str, values: Sequence[str]) -> Path:
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    return lathe.prepare(task, out, chain, values)


def _attempt(resource: Path, out: Path, kill_after: float | None) -> Attempt:
    """Run until the end, or until the time has come to kill it and all that it started."""
    began, marks = time.time(), set()
    with (
        (out / "outcome.json").open("wb") as said,
        (out / "log.txt").open("ab") as log,
        subprocess.Popen(
            lathe.command(resource, out, 1),
            stdout=said,
            stderr=log,
            env={**environment(out), "OMP_NUM_THREADS": "1"},
            start_new_session=True,
        ) as process,
    ):
        killed = False
        while process.poll() is None and not killed:
            time.sleep(POLL)
            marks |= _kept(out / "storage" / "artifacts", began)
            if kill_after is not None and time.time() - began > kill_after:
                os.killpg(process.pid, signal.SIGKILL)
                killed = True
        seconds = time.time() - began
    if not killed and process.returncode not in (0, lathe.REFUSED):
        raise subprocess.CalledProcessError(process.returncode, process.args)
    return Attempt(seconds, tuple(sorted(marks)), killed)


def _kept(artifacts: Path, began: float) -> set[float]:
    """When records of steps and of checkpoints were written, in seconds after the start."""
    found = set()
    for path in artifacts.rglob("*.json"):
        with suppress(FileNotFoundError):  # replaced while we look
            found.add(path.stat().st_mtime - began)
    return {moment for moment in found if moment > 0}


def _result(out: Path) -> str:
    outcome = json.loads((out / "outcome.json").read_text())
    artifact = outcome["artifacts"][0]
    return digest(out / "storage" / artifact["uri"].removeprefix("s3://"))
