"""A run in stages with real toolchains: what comes out is what one process would have made."""

import json
from pathlib import Path

import pytest

from lathe_api.outcome import Outcome
from lathe_api.plan import plan_of
from lathe_api.stages import stages_of
from lathe_steps.reasons import ExitCode, Reason
from lathe_worker.local_store import LocalStore
from lathe_worker.progress import NoReporter
from lathe_worker.settings import WorkerSettings
from lathe_worker.stage_runs import part_named, run_stage
from lathe_worker.stage_walk import World
from tests.builders import DYNAMIC, SIMPLIFY, ResourceBuilder, target
from tests.integration.worker.test_tasks import regression, resource

pytestmark = pytest.mark.toolchain


def staged() -> ResourceBuilder:
    """Simplified for all; 8 bits for two kinds of CPU, and TensorRT, which this machine lacks."""
    return (
        resource(
            metrics=["R2", "SizeBytes", "LatencyP50"],
            gates=[{"metric": "SizeBytes", "maxRatio": 10}],
        )
        .steps(SIMPLIFY)
        .targets(
            target("any", "ONNXRuntime"),
            target("old", "ONNXRuntime", DYNAMIC, cpu={"isa": ["avx2"]}),
            target("other", "ONNXRuntime", DYNAMIC, cpu={"isa": ["asimd"]}),
            target("engine", "TensorRT", gpu={"product": "NVIDIA-L4"}),
        )
    )


def stages(root: Path) -> dict[str, Outcome]:
    """Do all stages, each in a process of its own."""
    plan = plan_of(staged().parsed(), namespace="team", name="linear")
    store, settings = LocalStore(root), WorkerSettings(threads=1)
    return {
        stage.name: run_stage(
            World(plan, part_named(plan, "linear-0", stage.name), store, NoReporter(), settings),
            root=root / "workspace",
        )
        for stage in stages_of(plan)
    }


def test_targets_are_made_apart_and_published_together(tmp_path: Path) -> None:
    outcomes = stages(regression(tmp_path))

    engine, last = outcomes["build3"], outcomes["publish"]
    assert engine.failure is not None
    assert engine.failure.reason is Reason.RUNTIME_UNAVAILABLE
    assert (last.exit_code, last.gates) == (ExitCode.OK, Reason.ALL_GATES_PASSED)
    assert {it.name: (it.state, it.executed) for it in last.targets} == {
        "any": ("Succeeded", True),
        "old": ("Succeeded", True),
        "other": ("Succeeded", False),
        "engine": ("Failed", False),
    }
    measured = {(metric.name, metric.target) for metric in last.metrics}
    assert ("LatencyP50", "old") in measured
    assert ("LatencyP50", "other") not in measured
    assert last.summary is not None
    (report,) = tmp_path.rglob("report.json")
    path = json.loads(report.read_bytes())["measured"]["path"]
    assert [waypoint["step"] for waypoint in path] == ["simplify", "old/quantize", "other/quantize"]
