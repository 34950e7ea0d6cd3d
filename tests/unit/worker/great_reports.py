"""The largest report that there can be."""

import math

from lathe_api.plan import Plan
from lathe_steps.evidence import Candidate, Candidates, Curve, LayerEffect, Sensitivity
from lathe_worker.manifest import ManifestStep
from lathe_worker.measured import Measured
from lathe_worker.report import Report
from tests.unit.worker.reports import METRICS, a_report, changed, step, waypoint

FALLING = tuple((float(i), math.exp(-i / 50)) for i in range(240))
EVERYTHING = (
    Curve("loss", "batch", FALLING),
    Curve("Top1 on val", "epoch", FALLING),
    Sensitivity(
        "8 bits",
        "Top1",
        256,
        tuple(
            LayerEffect(f"stages.{i}.blocks.{i}.attention.out_proj", 1 / (i + 1))
            for i in range(512)
        ),
    ),
    Candidates(
        "Top1",
        256,
        tuple(Candidate(f"candidate {i}", 1000 + i, i / 600, i / 9) for i in range(512)),
        chosen=7,
    ),
)
"""As much as is kept of a step."""


def great(steps: int, targets: int) -> Report:
    """A run of as many steps and targets, with a quarter as many steps for each target."""
    names = [f"target{i}" for i in range(targets)]
    places = [f"step{i}" for i in range(steps)]
    places += [f"{name}/own{i}" for name in names for i in range(steps // 4)]
    made = tuple(step(place, "finetune", 900_000, 1.0, *EVERYTHING, updates=9) for place in places)
    report = a_report()
    return changed(
        report,
        plan=_with_targets(report.plan, names),
        steps=made,
        measured=_measured(names, made),
    )


def _with_targets(plan: Plan, names: list[str]) -> Plan:
    first = plan.targets[0]
    targets = tuple(first.model_copy(update={"name": name}) for name in names)
    return plan.model_copy(update={"targets": targets})


def _measured(names: list[str], made: tuple[ManifestStep, ...]) -> Measured:
    own = [metric for metric in METRICS if metric.target == "cpu"]
    return Measured(
        dataset="val",
        samples=700,
        metrics=tuple(each.model_copy(update={"target": name}) for name in names for each in own),
        path=tuple(waypoint(each.name, 0.9, 0.1, each.bytes) for each in made),
        threads=2,
    )
