"""What the figures are held against, and how two arms' rounds become one ratio."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from statistics import fmean
from typing import Any

from benchmarks.compression.intervals import Interval, repeated_ratio
from benchmarks.operator.arms import ARMS, LATHE, TWIN

EVENTS = 3
"""The most that a resource's life may take."""
Figures = dict[str, Any]
Rounds = Mapping[str, Mapping[str, Sequence[Figures]]]
"""Figures of every round, by scene and arm."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the page: what each arm needed, their ratio, and the goal.

    Attributes:
        title: What it is, with its unit.
        figures: The mean over rounds, by arm.
        ratio: Ours to the twin's, over rounds; None where the twin has none.
        goal: In words.
        reached: Whether it is reached; None where there is no goal, or nothing to judge it by.
    """

    title: str
    figures: Mapping[str, float]
    ratio: Interval | None
    goal: str = ""
    reached: bool | None = None


class Of(Enum):
    """What a limit is about."""

    OURS = ""
    RATIO = "x"
    """Our figure to the twin's."""


@dataclass(frozen=True, slots=True)
class Limit:
    """The least or the most that a figure may be."""

    of: Of
    most: float = math.inf
    least: float = -math.inf

    def __str__(self) -> str:
        """As the page tells it."""
        sign, bound = ("≤", self.most) if math.isfinite(self.most) else ("≥", self.least)
        return f"{sign} {bound:,g}{self.of.value}"

    def holds(self, value: float) -> bool:
        """Whether the figure is within."""
        return self.least <= value <= self.most


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure of a scene, and what it is to be.

    Attributes:
        scene: The scene whose figure it is.
        key: Its name there.
        title: What it is, with its unit.
        limit: The goal; None where it is only told.
    """

    scene: str
    key: str
    title: str
    limit: Limit | None = None


SMALL, LARGE = "burst-1000", "burst-10000"
SCALE = Limit(Of.OURS, least=0.95)
"""Of our rate with ten times as many resources, to our own."""
GOALS = (
    Goal("idle", "p50_ms", "resource → Job, p50, ms", Limit(Of.RATIO, most=1.5)),
    Goal("idle", "p99_ms", "resource → Job, p99, ms", Limit(Of.OURS, most=50)),
    Goal("idle", "base_rss_kib", "memory at first (RSS), KiB", Limit(Of.OURS, most=80 * 1024)),
    Goal(SMALL, "jobs_per_s", "Jobs per second, burst of 1,000", Limit(Of.RATIO, least=0.9)),
    Goal(SMALL, "cpu_ms_per_resource", "CPU per resource, burst, ms", Limit(Of.RATIO, most=3)),
    Goal(LARGE, "jobs_per_s", "Jobs per second, burst of 10,000", Limit(Of.RATIO, least=0.9)),
    Goal(LARGE, "kib_per_resource", "memory per resource (PSS), KiB", Limit(Of.OURS, most=10)),
    Goal(LARGE, "pss_kib", "memory with 10,000 resources (PSS), KiB", Limit(Of.RATIO, most=1)),
    Goal("life-1000", "ends_per_s", "whole lives per second, burst of 1,000"),
    Goal("life-1000", "cpu_ms_per_resource", "CPU per whole life, ms", Limit(Of.RATIO, most=3)),
    Goal("finished-10000", "cpu_share", "10,000 finished: cores used", Limit(Of.OURS, most=0.005)),
    Goal("finished-10000", "first_job_s", "10,000 finished: start to the first new Job, s"),
    Goal("finished-10000", "peak_kib", "10,000 finished: peak memory of the start, KiB"),
)


def rows(rounds: Rounds) -> list[Row]:
    """Every figure that was measured, beside its goal."""
    found = [_row(goal, rounds[goal.scene]) for goal in GOALS if goal.scene in rounds]
    return found + _scaling(rounds)


def _row(goal: Goal, arms: Mapping[str, Sequence[Figures]]) -> Row:
    figures = {arm: fmean(each[goal.key] for each in arms[arm]) for arm in ARMS if arms.get(arm)}
    ratio = _ratio([[each[goal.key] for each in arms.get(arm, ())] for arm in ARMS])
    judged = figures.get(LATHE)
    if goal.limit and goal.limit.of is Of.RATIO:
        judged = ratio.middle if ratio else None
    reached = goal.limit.holds(judged) if goal.limit and judged is not None else None
    return Row(goal.title, figures, ratio, str(goal.limit or ""), reached)


def _ratio(pairs: Sequence[Sequence[float]]) -> Interval | None:
    """Ours to the twin's, round by round; None where one of them has no figure, or none above 0."""
    ratios = [ours / theirs for ours, theirs in zip(*pairs, strict=False) if ours and theirs]
    return repeated_ratio(ratios) if ratios else None


def _scaling(rounds: Rounds) -> list[Row]:
    """Our rate with 10,000 resources beside our own with 1,000."""
    small, large = (rounds.get(scene, {}) for scene in (SMALL, LARGE))
    if not (small.get(LATHE) and large.get(LATHE)):
        return []
    rates = {
        arm: fmean(e["jobs_per_s"] for e in large[arm]) / fmean(e["jobs_per_s"] for e in small[arm])
        for arm in (LATHE, TWIN)
        if small.get(arm) and large.get(arm)
    }
    title = "rate of 10,000 to one's own of 1,000"
    return [Row(title, rates, None, str(SCALE), SCALE.holds(rates[LATHE]))]


def faults(scene: str, arm: str, figures: Figures) -> list[str]:
    """What no machine excuses: writes too many, and reads beside lists and watches."""
    written, count = figures.get("writes", {}), figures["n"]
    found = [f"{what} was refused {n} times" for what, n in written.items() if what[-3:].isdigit()]
    jobs = written.get("create/jobs", 0)
    if scene.startswith(("burst", "life")) and jobs != count:
        found.append(f"{jobs} Jobs for {count} resources")
    if written.get("create/events", 0) > EVENTS * count:
        found.append(f"{written['create/events']} Events for {count} resources")
    if scene.startswith("finished") and written:
        found.append(f"{written} for resources that have ended")
    if reads := set(figures.get("reads", ())) - {"list", "watch"}:
        found.append(f"reads beside lists and watches: {', '.join(sorted(reads))}")
    return [f"{scene}, {arm}: {each}" for each in found]
