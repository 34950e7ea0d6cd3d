"""What was measured, as it travels from the child that measures to the parent that judges."""

from lathe_api.v1alpha1.status import MetricStatus, Word
from lathe_steps.base import Parameters


class Waypoint(Parameters):
    """What a step had made of the model, on the way to a target."""

    step: Word
    """The step, as status calls it."""
    metrics: tuple[MetricStatus, ...] = ()
    """Each beside the input model's; `target` is the step."""


class Measured(Parameters):
    """Every metric on every target, each beside the input model's on the same samples."""

    dataset: Word
    """Name of the data set."""
    samples: int
    """How many samples it has."""
    metrics: tuple[MetricStatus, ...] = ()
    """By target, then in the order of the evaluation; without those that could not be measured."""
    path: tuple[Waypoint, ...] = ()
    """The same after each step, for those after which it was measured; in the plan's order."""
    threads: int
    """CPU threads of every call."""
    load: float | None = None
    """Load average of the machine over its CPUs before times were taken; above 1 the machine was
    busy with other things."""
