"""How long models take: single calls in turns, by the wall's clock and by CPU time."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lathe_steps.toolchains.onnx_runtime import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import numpy as np

    from lathe_steps.base import Artifact

_WARM_UPS = 10
_BURST = 4
"""Timed calls in a row, after one that is not: each model finds its own caches warm."""
_LOOK = 0.05
"""Seconds for which CPUs are watched before the idlest are chosen."""
_IDLE = 3
"""Where /proc/stat says how long a CPU was idle; how long it waited for disks follows."""

Clock = tuple["Callable[[], float]", "Callable[[], float]"]


@dataclass(frozen=True, slots=True)
class Times:
    """Every timed call of one model, in milliseconds.

    Attributes:
        wall: By the clock on the wall.
        cpu: CPU time of the same calls, of all threads together.
    """

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Plan:
    """How models are timed.

    Attributes:
        threads: Threads of each model.
        seconds: How long to measure at least, all models together, after the warm-up.
        least: How many times to measure each model at least.
    """

    threads: int
    seconds: float
    least: int


def interleaved(
    models: Mapping[str, Artifact],
    sample: Mapping[str, np.ndarray],
    plan: Plan,
    clocks: Clock = (time.perf_counter, time.process_time),
) -> Mapping[str, Times]:
    """Time calls of several models, in turns, so that a drift of the machine cancels.

    Each model is warmed up by ten calls. Nothing else should run in this process meanwhile: CPU
    time is the whole process's.

    Args:
        models: ONNX artifacts that take the same inputs.
        sample: One call's inputs.
        plan: How often, and with how many threads.
        clocks: Seconds on the wall, and of CPU time.

    Returns:
        Equally many times of each model, by name.

    Raises:
        lathe_steps.errors.Internal: When a model cannot be loaded or run.
    """
    sessions = {name: Session(artifact, plan.threads) for name, artifact in models.items()}
    feeds = {
        name: {s.name: sample[s.name].astype(s.dtype, copy=False) for s in session.inputs}
        for name, session in sessions.items()
    }
    for name, session in sessions.items():
        for _ in range(_WARM_UPS):
            session.run(feeds[name])
    taken = {name: Times() for name in models}
    end = time.perf_counter() + plan.seconds
    order = list(sessions)
    while time.perf_counter() < end or any(len(it.wall) < plan.least for it in taken.values()):
        for name in order:
            _burst(sessions[name], feeds[name], clocks, taken[name])
        order.reverse()
    return taken


def interleaved_latencies(
    models: Mapping[str, Artifact],
    sample: Mapping[str, np.ndarray],
    *,
    threads: int,
    seconds: float,
    least: int,
) -> Mapping[str, list[float]]:
    """Milliseconds of single calls by the wall's clock, by model; see `interleaved`."""
    taken = interleaved(models, sample, Plan(threads, seconds, least))
    return {name: times.wall for name, times in taken.items()}


def _burst(session: Session, feed: Mapping[str, np.ndarray], clocks: Clock, times: Times) -> None:
    wall, cpu = clocks
    session.run(feed)
    for _ in range(_BURST):
        start, start_cpu = wall(), cpu()
        session.run(feed)
        end_cpu, end = cpu(), wall()
        times.wall.append((end - start) * 1e3)
        times.cpu.append((end_cpu - start_cpu) * 1e3)


@contextmanager
def pinned(threads: int) -> Iterator[tuple[int, ...]]:
    """Keep this thread, and those that it starts, on as many CPUs as there are threads.

    The idlest CPUs are chosen, and what was allowed before is allowed again afterwards.

    Yields:
        Their numbers; none where the system does not pin, or has not so many.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield ()
        return
    allowed = os.sched_getaffinity(0)
    chosen = tuple(sorted(_idlest(allowed)[:threads])) if threads <= len(allowed) else ()
    try:
        os.sched_setaffinity(0, chosen or allowed)
        yield chosen
    finally:
        os.sched_setaffinity(0, allowed)


def _idlest(allowed: set[int]) -> list[int]:
    before = _idle()
    time.sleep(_LOOK)
    after = _idle()
    return sorted(allowed, key=lambda cpu: (before.get(cpu, 0) - after.get(cpu, 0), -cpu))


def _idle(stat: Path = Path("/proc/stat")) -> dict[int, int]:
    """Ticks for which each CPU had nothing to do; empty where the system does not say."""
    try:
        lines = stat.read_text().splitlines()
    except OSError:
        return {}
    fields = [line.split() for line in lines if line[:3] == "cpu" and line[3:4].isdigit()]
    return {int(each[0][3:]): sum(map(int, each[_IDLE + 1 : _IDLE + 3])) for each in fields}
