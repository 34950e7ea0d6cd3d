"""What was measured, as it travels from the child that measures to the parent that judges."""

from dataclasses import dataclass

from lathe_api.v1alpha1.status import MetricStatus, Word
from lathe_steps.base import Artifact, Parameters


@dataclass(frozen=True, slots=True)
class Candidate:
    """What came out for one target.

    Attributes:
        target: Its name.
        executable: The ONNX model that ONNX Runtime runs here: the result itself, or the graph
            that an engine was built from.
        final: What is published; its files make its size.
        executed: Whether `final` itself is run; False for an engine, whose latency is not
            measured.
    """

    target: str
    executable: Artifact
    final: Artifact
    executed: bool


@dataclass(frozen=True, slots=True)
class Passed:
    """What a step had made of the model, as it is measured.

    Attributes:
        step: Its name.
        bytes: Size of what it made.
        graph: The same as ONNX; None when it cannot be run here, as an engine or an archive.
        clocked: Whether it is for this machine, so that its latency says something.
    """

    step: str
    bytes: int
    graph: Artifact | None
    clocked: bool


class Waypoint(Parameters):
    """What a step had made of the model, on the way to a target."""

    step: Word
    """The step, as status calls it."""
    metrics: tuple[MetricStatus, ...] = ()
    """Each beside the input model's; `target` is the step."""


class Timing(Parameters):
    """How calls were timed, and what the machine did meanwhile."""

    threads: int
    """CPU threads of every call."""
    batch: int
    """Samples of every call."""
    cpus: tuple[int, ...] = ()
    """CPUs that the calls were kept on; none where the system cannot do that."""
    waited: float
    """Wall time of all timed calls over their CPU time. Well above 1, calls waited for a CPU."""
    busy: bool
    """Whether others wanted the CPUs too, so that the wall's clock is not to be trusted."""


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
    timing: Timing | None = None
    """How calls were timed; None when none were."""
    load: float | None = None
    """Load average of the machine over its CPUs before times were taken; above 1 the machine was
    busy with other things."""
