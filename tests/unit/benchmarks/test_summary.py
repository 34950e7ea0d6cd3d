from dataclasses import replace
from typing import Any

import pytest

from benchmarks.compression import quick
from benchmarks.compression.benches import BENCHES, Bench, Contestant, Goal
from benchmarks.compression.report import _goal
from benchmarks.compression.summary import lines_of, reached

OURS, THEIRS = Contestant("ours", "lathe"), Contestant("theirs", "rival")
BENCH = Bench("B0", "a bench of a test", "none", (OURS, THEIRS))


def model(size: int, milliseconds: float, lost: int = 0, **more: object) -> dict[str, Any]:
    times = {"cpu_ms": milliseconds, "wall_ms": milliseconds}
    return {"bytes": size, "top1": 0.9 - lost / 1000, "lost": lost, "gained": 0, **times, **more}


def figures(**models: dict[str, Any]) -> dict[str, Any]:
    return {"samples": 1000, "models": {"fp32": model(4000, 2.0), **models}}


def test_a_line_says_how_many_times_smaller_and_faster_and_what_it_cost() -> None:
    ours = model(1000, 0.5, lost=4, seconds=7.0, peak_bytes=100)

    _, line = lines_of(BENCH, [figures(ours=ours), figures(ours=ours)])

    assert (line.smaller.middle, line.faster.middle) == pytest.approx((4, 4))
    assert line.drop is not None
    assert line.drop.middle == pytest.approx(0.4)
    assert (line.samples, line.seeds, line.peak_bytes) == (2000, 2, 100)


def test_who_was_not_measured_with_every_seed_has_no_line() -> None:
    ours = model(1000, 0.5)

    lines = lines_of(BENCH, [figures(ours=ours, theirs=ours), figures(ours=ours)])

    assert [line.name for line in lines] == ["fp32", "ours"]


GOALS = {
    "small enough": (Goal("ours", "Smaller", 3.9), True),
    "not small enough": (Goal("ours", "Smaller", 4.1), False),
    "faster than a rival": (Goal("ours", "Faster", 1.9, "theirs"), True),
    "not as much faster": (Goal("ours", "Faster", 2.1, "theirs"), False),
    "as good": (Goal("ours", "Drop", 0.4), True),
    "worse than allowed": (Goal("ours", "Drop", 0.3), False),
    "better than a rival": (Goal("ours", "Better", 0, "theirs"), True),
    "as thrifty": (Goal("ours", "Memory", 1.1, "theirs"), True),
    "less thrifty": (Goal("theirs", "Memory", 0.9, "ours"), False),
}


@pytest.mark.parametrize(("goal", "good"), GOALS.values(), ids=GOALS)
def test_a_goal_is_judged(goal: Goal, *, good: bool) -> None:
    ours = model(1000, 0.5, lost=4, seconds=1.0, peak_bytes=100)
    theirs = model(1000, 1.0, lost=9, seconds=1.0, peak_bytes=100)
    lines = lines_of(BENCH, [figures(ours=ours, theirs=theirs)])

    found = reached(goal, lines)

    assert found is not None
    assert found[1] is good
    assert ("**missed**" in _goal(goal, lines)) is not good


def test_a_goal_of_what_was_not_measured_is_neither_reached_nor_missed() -> None:
    lines = lines_of(BENCH, [figures()])

    assert reached(Goal("ours", "Smaller", 2), lines) is None
    assert "not measured" in _goal(Goal("ours", "Smaller", 2), lines)


def test_every_goal_is_about_contestants_of_its_bench() -> None:
    for bench in BENCHES:
        known = {"fp32", *(contestant.name for contestant in bench.contestants)}

        assert {name for goal in bench.goals for name in (goal.contestant, goal.than)} <= known


FAULTS = {
    "a contestant that is missing": figures(),
    "a contestant that failed": figures() | {"failed": {"ours": "see log.txt"}},
    "eight bits that are no smaller": figures(ours=model(3000, 0.5)),
    "answers that are gone": figures(ours=model(1000, 0.5, lost=200)),
    "an archive that gives back something else": figures(ours=model(100, 0.5, identical=False)),
}


@pytest.mark.parametrize("found", FAULTS.values(), ids=FAULTS)
def test_the_quick_tier_finds(found: dict[str, Any]) -> None:
    assert list(quick.faults_of(found, [OURS])) != []


def test_the_quick_tier_does_not_ask_for_the_quality_of_a_minutes_training() -> None:
    found = figures(ours=model(1000, 0.5, lost=900))

    assert list(quick.faults_of(found, [replace(OURS, trains=True)])) == []


def test_the_quick_tier_judges_no_times() -> None:
    assert list(quick.faults_of(figures(ours=model(1000, 99.0)), [OURS])) == []
