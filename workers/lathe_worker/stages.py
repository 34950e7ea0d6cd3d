"""The parts of a run, and how much of its time each is expected to take."""

from collections.abc import Mapping

from lathe_worker.chain import Chain, PlannedStep
from lathe_worker.progress import Stage

FETCH, OPEN, EVALUATE, PUBLISH = "Fetch", "Open", "Evaluate", "Publish"
"""Stages besides the steps, whose names begin with a small letter."""

TRAINING = 30.0
SHORT = 3.0
WEIGHTS: Mapping[str, float] = {
    "quantize": 5.0,
    "buildEngine": 8.0,
    "export": 5.0,
    "sensitivity": 8.0,
}
"""Of steps that do not train; SHORT for the others."""


def stages(chain: Chain) -> tuple[Stage, ...]:
    """Every stage of a run, in order."""
    return (
        Stage(FETCH, 3.0),
        Stage(OPEN, 3.0),
        *(Stage(step.name, _weight(step)) for step in chain.steps if not step.aside),
        Stage(EVALUATE, 8.0),
        Stage(PUBLISH, 2.0),
    )


def _weight(planned: PlannedStep) -> float:
    step = planned.step
    within = step.checkpoints and step.dataset_names()  # such as training between passes
    return TRAINING if step.trains or within else WEIGHTS.get(planned.kind, SHORT)


def share(part: Chain, whole: Chain) -> int:
    """Percent of a run's time that a part of its steps is expected to take."""
    weights = [sum(stage.weight for stage in stages(chain)) for chain in (part, whole)]
    return int(100 * weights[0] / weights[1])
