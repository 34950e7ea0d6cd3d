"""From the figures of every seed to one line per contestant, and whether goals were reached."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.compression.benches import Bench, Goal
from benchmarks.compression.intervals import (
    Interval,
    paired_drop,
    repeated_mean,
    repeated_ratio,
)
from benchmarks.compression.measure import FP32
from benchmarks.compression.rounds import Round

Figures = Mapping[str, Any]
AT_MOST = {"Drop", "Memory", "Evaluations"}


@dataclass(frozen=True, slots=True)
class Line:
    """One contestant on one bench, over all seeds.

    Attributes:
        name: Of the contestant.
        seeds: How many.
        samples: Measured on, all seeds together; 0 where weights are random.
        smaller: Bytes of fp32 over its bytes.
        faster: CPU time of fp32 over its own.
        faster_wall: The same in wall time.
        cpu_ms: CPU time of a call, mean over seeds of the median.
        drop: Of right answers, in percentage points; None where weights are random.
        drops: The same, seed by seed.
        top1: Share of right answers.
        peak_bytes: Memory while it was made, the most of all seeds.
        seconds: While it was made, mean over seeds.
        facts: What its steps found out, the most of all seeds.
    """

    name: str
    seeds: int
    samples: int
    smaller: Interval
    faster: Interval
    faster_wall: Interval
    cpu_ms: float
    drop: Interval | None
    drops: tuple[float, ...]
    top1: float | None
    peak_bytes: int | None
    seconds: float | None
    facts: Mapping[str, float]


def figures_of(bench: Bench, out: Path) -> dict[int, Figures]:
    """What was measured, by seed."""
    files = {seed: Round(bench, seed, out).file for seed in range(bench.repeats)}
    return {seed: json.loads(file.read_text()) for seed, file in files.items() if file.exists()}


def lines_of(bench: Bench, figures: Sequence[Figures]) -> tuple[Line, ...]:
    """A line for fp32 and for each contestant that was measured with every seed."""
    names = [FP32, *(contestant.name for contestant in bench.contestants)]
    everywhere = [n for n in names if figures and all(n in each["models"] for each in figures)]
    return tuple(_line(name, figures) for name in everywhere)


def _line(name: str, figures: Sequence[Figures]) -> Line:
    models = [each["models"][name] for each in figures]
    samples = sum(each["samples"] for each in figures)
    ratios = {
        kind: repeated_ratio(
            [each["models"][FP32][kind] / each["models"][name][kind] for each in figures]
        )
        for kind in ("bytes", "cpu_ms", "wall_ms")
    }
    lost, gained = (sum(model[key] for model in models) for key in ("lost", "gained"))
    drop = paired_drop(lost, gained, samples) if samples else None
    made = [model for model in models if "seconds" in model]
    return Line(
        name=name,
        seeds=len(figures),
        samples=samples,
        smaller=ratios["bytes"],
        faster=ratios["cpu_ms"],
        faster_wall=ratios["wall_ms"],
        cpu_ms=repeated_mean([model["cpu_ms"] for model in models]).middle,
        drop=drop and Interval(100 * drop.middle, 100 * drop.low, 100 * drop.high),
        drops=tuple(
            100 * (each["models"][name]["lost"] - each["models"][name]["gained"]) / each["samples"]
            for each in figures
            if each["samples"]
        ),
        top1=repeated_mean([model["top1"] for model in models]).middle if samples else None,
        peak_bytes=max((model["peak_bytes"] for model in made), default=None),
        seconds=repeated_mean([m["seconds"] for m in made]).middle if made else None,
        facts=_facts([model.get("facts", {}) for model in models]),
    )


def _facts(seeds: Sequence[Mapping[str, float | str]]) -> dict[str, float]:
    """The largest number of each name."""
    numbers = [(k, v) for facts in seeds for k, v in facts.items() if isinstance(v, int | float)]
    return {name: max(v for k, v in numbers if k == name) for name, _ in numbers}


def reached(goal: Goal, lines: Sequence[Line]) -> tuple[float, bool] | None:
    """The figure that a goal is about, and whether it is good enough; None: not measured.

    Goals are judged by the figure itself; its interval stands beside it.
    """
    by_name = {line.name: line for line in lines}
    own, other = by_name.get(goal.contestant), by_name.get(goal.than)
    if own is None or other is None:
        return None
    value = _compared(goal.kind, own, other)
    if value is None:
        return None
    good = value <= goal.bound if goal.kind in AT_MOST else value >= goal.bound
    return value, good


def _compared(kind: str, own: Line, other: Line) -> float | None:
    if kind == "Smaller":
        return own.smaller.middle / other.smaller.middle
    if kind == "Faster":
        return own.faster.middle / other.faster.middle
    if kind == "Drop":
        return None if own.drop is None else own.drop.middle
    if kind == "Better":
        pair = own.top1, other.top1
        return None if None in pair else 100 * ((own.top1 or 0) - (other.top1 or 0))
    if kind == "Evaluations":
        return own.facts.get("evaluations")
    pair = own.peak_bytes, other.peak_bytes
    return None if None in pair else (own.peak_bytes or 0) / (other.peak_bytes or 1)
