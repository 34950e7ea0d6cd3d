"""The quick tier: every bench to its end on small tasks, judged by what no clock decides."""

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import Any

from benchmarks.compression import costs
from benchmarks.compression.benches import Bench, Contestant
from benchmarks.compression.rounds import Round, go

AT_ONCE = 2
"""Tasks that are worked on side by side, as no times are judged."""
POINTS = 0.1
"""Most that the share of right answers may fall without training."""


def check(benches: Sequence[Bench], out: Path, *, costs_too: bool) -> int:
    """Run every bench once; print what is wrong, and return the exit code."""
    by_task = sorted(benches, key=lambda bench: bench.task)
    groups = [list(group) for _, group in groupby(by_task, lambda bench: bench.task)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        faults = [fault for found in pool.map(lambda g: _worked(g, out), groups) for fault in found]
    if costs_too:
        killed = costs.kill_of(out, quick=True)
        costs.overhead_of(out, quick=True)
        if not (killed["kills"] and killed["same_bytes"]):
            faults.append(f"B4: a chain that was killed gave another result: {killed}")
    for fault in faults:
        print(fault)
    print(f"{len(benches)} benches, {len(faults)} faults")
    return 1 if faults else 0


def _worked(benches: Sequence[Bench], out: Path) -> list[str]:
    """The faults of the benches of one task, one bench after the other."""
    rounds = [Round(bench, 0, out, quick=True) for bench in benches]
    return [
        f"{one.bench.name}: {fault}"
        for one in rounds
        for fault in faults_of(go(one), one.contestants)
    ]


def faults_of(figures: dict[str, Any], contestants: Sequence[Contestant]) -> Iterator[str]:
    """What is wrong with the figures of one round."""
    for contestant in contestants:
        if contestant.name in figures["models"]:
            yield from _faults(contestant, figures)
        else:
            yield f"{contestant.name} failed: {figures.get('failed', {}).get(contestant.name)}"


def _faults(contestant: Contestant, figures: dict[str, Any]) -> Iterator[str]:
    model, fp32 = figures["models"][contestant.name], figures["models"]["fp32"]
    if not math.isfinite(model["cpu_ms"]):
        yield f"{contestant.name} was not timed"
    if model.get("identical") is False:
        yield f"{contestant.name} does not give back what it packed"
    if fp32["bytes"] < contestant.least * model["bytes"]:
        yield f"{contestant.name} is only {fp32['bytes'] / model['bytes']:.2f} times smaller"
    gone = model["lost"] - model["gained"]
    if not contestant.trains and gone > POINTS * figures["samples"]:
        yield f"{contestant.name} lost {gone} of {figures['samples']} answers"
