"""The plan as a tree of steps: what is made from what, and where each target ends."""

from collections.abc import Iterator
from dataclasses import dataclass

from lathe_api.plan import Plan, PlannedTarget, input_format
from lathe_api.v1alpha1.steps import StepEntry
from lathe_steps.base import Format, Runtime, Step
from lathe_steps.build_engine import BuildEngine
from lathe_steps.export import Export

BASELINE = "Input/export"
"""Makes what the results are compared with; no step of a user can have this name."""


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One step at its place.

    Attributes:
        name: Unique in the run; a target's own steps are <target>/<name>.
        kind: As users spell it, such as prune.
        entry: The step as the plan holds it.
        after: Name of the step whose artifact it changes; None for the input model.
        runtimes: What the result is for.
    """

    name: str
    kind: str
    entry: StepEntry | BuildEngine
    after: str | None
    runtimes: tuple[Runtime, ...]

    @property
    def step(self) -> Step:
        """The step itself."""
        return self.entry if isinstance(self.entry, BuildEngine) else self.entry.step


@dataclass(frozen=True, slots=True)
class End:
    """Where a target's chain ends.

    Attributes:
        target: Name of the target.
        graph: The step that gives its last ONNX graph; None for the input model.
        final: The step that gives what is published; None for the input model.
        executed: Whether what is published can be run here.
    """

    target: str
    graph: str | None
    final: str | None
    executed: bool


@dataclass(frozen=True, slots=True)
class Chain:
    """Every step of a run, each after the one it builds on.

    Attributes:
        baseline: Name of the step whose graph is compared with; None for the input model itself.
    """

    steps: tuple[PlannedStep, ...]
    ends: tuple[End, ...]
    baseline: str | None

    @property
    def kinds(self) -> tuple[str, ...]:
        """Every kind of step in it, sorted."""
        return tuple(sorted({step.kind for step in self.steps}))

    @property
    def results(self) -> frozenset[str]:
        """Names of the steps whose files are measured or published."""
        named = (self.baseline, *(name for end in self.ends for name in (end.graph, end.final)))
        return frozenset(name for name in named if name is not None)


def chain_of(plan: Plan, isa: frozenset[str]) -> Chain:
    """Lay out a plan for a machine whose CPU has these features."""
    runtimes = tuple(dict.fromkeys(_runtime(target, isa) for target in plan.targets))
    measured = plan.evaluation is not None and input_format(plan.model) is Format.TORCH
    baseline = [PlannedStep(BASELINE, "export", StepEntry(export=Export()), None, ())]
    common = list(_in_line(plan.steps, None, runtimes))
    steps, ends = [*(baseline if measured else []), *common], []
    for target in plan.targets:
        own, end = _branch(target, common[-1].name if common else None, _runtime(target, isa))
        steps += own
        ends.append(end)
    return Chain(tuple(steps), tuple(ends), BASELINE if measured else None)


def _runtime(target: PlannedTarget, isa: frozenset[str]) -> Runtime:
    """What a target runs on; the features of this CPU do not matter to a GPU's engine."""
    return Runtime(target.runtime, isa if target.runtime == "ONNXRuntime" else frozenset())


def _branch(
    target: PlannedTarget, after: str | None, runtime: Runtime
) -> tuple[list[PlannedStep], End]:
    """A target's own steps, and where they end."""
    own = list(_in_line(target.steps, after, (runtime,), under=f"{target.name}/"))
    graph = own[-1].name if own else after
    if target.engine is None:
        return own, End(target.name, graph, graph, executed=True)
    name = f"{target.name}/buildEngine"
    build = PlannedStep(name, "buildEngine", target.engine, graph, (runtime,))
    return [*own, build], End(target.name, graph, name, executed=False)


def _in_line(
    entries: tuple[StepEntry, ...],
    after: str | None,
    runtimes: tuple[Runtime, ...],
    under: str = "",
) -> Iterator[PlannedStep]:
    for entry in entries:
        name = f"{under}{entry.name or entry.kind.lower()}"
        yield PlannedStep(name, entry.kind, entry, after, runtimes)
        after = name
