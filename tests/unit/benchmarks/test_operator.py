"""What is judged of the operator's figures, and from what."""

import json
import math
from pathlib import Path

from benchmarks.operator.goals import faults, rows
from benchmarks.operator.report import rounds_of

IDLE = {"n": 20, "p99_ms": 20.0, "base_rss_kib": 70_000}


def test_a_ratio_is_of_rounds_and_a_goal_is_judged_by_what_it_is_about() -> None:
    ours = [{**IDLE, "p50_ms": 16.0}, {**IDLE, "p50_ms": 24.0}]
    theirs = [{**IDLE, "p50_ms": 8.0}, {**IDLE, "p50_ms": 12.0}]

    p50, p99, memory = rows({"idle": {"lathe": ours, "twin": theirs}})

    assert p50.ratio is not None
    assert math.isclose(p50.ratio.middle, 2.0)
    assert (p50.goal, p50.reached) == ("≤ 1.5x", False)
    assert (p99.goal, p99.reached) == ("≤ 50", True)
    assert memory.reached


def test_a_figure_of_ours_alone_is_judged_where_the_twin_has_none() -> None:
    found = {row.title: row for row in rows({"idle": {"lathe": [{**IDLE, "p50_ms": 8.0}]}})}

    assert found["resource → Job, p50, ms"].reached is None
    assert found["resource → Job, p99, ms"].reached is True


def test_writes_that_were_refused_or_too_many_are_faults_on_any_machine() -> None:
    calm = {"create/events": 40, "create/jobs": 20, "patch/modeloptimizations/status": 40}

    assert faults("life-20", "lathe", {"n": 20, "writes": calm, "reads": {"list": 6}}) == []
    assert faults("life-20", "lathe", {"n": 20, "writes": {**calm, "create/jobs": 21}})
    assert faults("life-20", "lathe", {"n": 20, "writes": {**calm, "create/jobs 409": 1}})
    assert faults("life-20", "lathe", {"n": 20, "writes": calm, "reads": {"get": 1}})
    assert faults("finished-10", "lathe", {"n": 10, "writes": {"create/events": 1}})


def test_rounds_are_found_by_scene_and_arm(tmp_path: Path) -> None:
    for name in ("burst-1000-0-lathe", "burst-1000-1-lathe", "burst-1000-0-twin"):
        (tmp_path / f"{name}.json").write_text(json.dumps({"n": 1000}))

    found = rounds_of(tmp_path)

    assert {arm: len(each) for arm, each in found["burst-1000"].items()} == {"lathe": 2, "twin": 1}
