"""The quick tier: every bench to its end on small tasks, judged by what no clock decides."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.compression import costs
from benchmarks.compression.benches import Bench
from benchmarks.compression.measure import FP32
from benchmarks.compression.rounds import Round, go

SMALLER = 3.3
"""Times that any model in 8 bits is smaller than in 32."""
POINTS = 0.1
"""Most that the share of right answers may fall on a task that was hardly trained."""


def check(benches: Sequence[Bench], out: Path, *, costs_too: bool) -> int:
    """Run every bench once; print what is wrong, and return the exit code."""
    faults = [
        f"{bench.name}: {fault}"
        for bench in benches
        for fault in faults_of(go(Round(bench, 0, out, quick=True)))
    ]
    if costs_too:
        killed = costs.kill_of(out, quick=True)
        costs.overhead_of(out, quick=True)
        if not (killed["kills"] and killed["same_bytes"]):
            faults.append(f"B4: a chain that was killed gave another result: {killed}")
    for fault in faults:
        print(fault)
    print(f"{len(benches)} benches, {len(faults)} faults")
    return 1 if faults else 0


def faults_of(figures: dict[str, Any]) -> Iterator[str]:
    """What is wrong with the figures of one round."""
    for name, why in figures.get("failed", {}).items():
        yield f"{name} failed: {why}"
    fp32 = figures["models"][FP32]
    for name, model in figures["models"].items():
        if name == FP32:
            continue
        if not math.isfinite(model["cpu_ms"]):
            yield f"{name} was not timed"
        if model.get("identical") is False:
            yield f"{name} does not give back what it packed"
        if fp32["bytes"] < SMALLER * model["bytes"]:
            yield f"{name} is only {fp32['bytes'] / model['bytes']:.2f} times smaller"
        if figures["samples"] and model["lost"] - model["gained"] > POINTS * figures["samples"]:
            yield f"{name} lost {model['lost'] - model['gained']} of {figures['samples']} answers"
