"""The plan as a tree of steps: what is made from what, and where each target ends."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from lathe_api.plan import Plan, PlannedTarget, input_format
from lathe_api.v1alpha1.steps import StepEntry
from lathe_steps.base import Format, Runtime, Step
from lathe_steps.build_engine import BuildEngine
from lathe_steps.export import Export

BASELINE = "Input/export"
"""Makes what the results are compared with; no step of a user can have this name."""
MEASURED = "Measured/export"
"""Below a target's name: makes a graph of what was packed in torch, to measure it."""

PASSED = "Path/export"
"""Below a step's name: makes a graph of what it gives in torch, to measure the path."""


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One step at its place.

    Attributes:
        name: Unique in the run; a target's own steps are <target>/<name>.
        kind: As users spell it, such as prune.
        entry: The step as the plan holds it.
        after: Name of the step whose artifact it changes; None for the input model.
        runtimes: What the result is for.
        aside: Whether it is no part of the way to a result, and only measured: then it is told to
            nobody, and the run goes on without what it cannot make.
        target: The target whose own it is; None for what is common.
    """

    name: str
    kind: str
    entry: StepEntry | BuildEngine
    after: str | None
    runtimes: tuple[Runtime, ...]
    aside: bool = False
    target: str | None = None

    @property
    def step(self) -> Step:
        """The step itself."""
        return self.entry if isinstance(self.entry, BuildEngine) else self.entry.step

    @property
    def is_built_here(self) -> bool:
        """Whether it makes an engine for the GPU that it is built on."""
        return self.kind == "buildEngine" and self.runtimes[0].name == "TensorRT"


@dataclass(frozen=True, slots=True)
class End:
    """Where a target's chain ends.

    Attributes:
        target: Name of the target.
        graph: The step that gives the last ONNX graph, which is what is measured; None for the
            input model.
        final: The step that gives what is published; None for the input model.
        executed: Whether what is published can be run here.
    """

    target: str
    graph: str | None
    final: str | None
    executed: bool


@dataclass(frozen=True, slots=True)
class Stop:
    """A step whose result is measured on the way.

    Attributes:
        step: Its name.
        graph: The step that gives the same as ONNX: itself, or an export; None when there is none.
        clocked: Whether it is for what runs here, so that its latency is measured.
        target: The target whose own step it is; None for a common one.
    """

    step: str
    graph: str | None
    clocked: bool
    target: str | None = None


@dataclass(frozen=True, slots=True)
class Chain:
    """Every step of a run, each after the one it builds on.

    Attributes:
        baseline: Name of the step whose graph is compared with; None for the input model itself.
        path: What is measured on the way, in order.
    """

    steps: tuple[PlannedStep, ...]
    ends: tuple[End, ...]
    baseline: str | None
    path: tuple[Stop, ...] = ()

    @property
    def kinds(self) -> tuple[str, ...]:
        """Every kind of step in it, sorted."""
        return tuple(sorted({step.kind for step in self.steps}))

    def of(self, targets: Collection[str]) -> "Chain":
        """The part of it that leads to some of the targets, the common steps included."""
        return replace(
            self,
            steps=tuple(it for it in self.steps if it.target is None or it.target in targets),
            ends=tuple(end for end in self.ends if end.target in targets),
            path=tuple(it for it in self.path if it.target is None or it.target in targets),
        )

    def way_back(self, end: End) -> tuple[Stop, ...]:
        """What a target can go back to from its end, in order: earlier graphs of its steps.

        Nothing, where what is published is no graph.
        """
        if end.final != end.graph or not self.path:
            return ()
        by_name = {step.name: step for step in self.steps}
        stops = {stop.step: stop for stop in self.path}
        found: dict[str | None, Stop] = {}
        name = end.final
        while name is not None:
            stop = stops[name]
            if stop.graph not in {None, end.graph}:
                found.setdefault(stop.graph, stop)
            name = by_name[name].after
        return tuple(reversed(found.values()))

    @property
    def results(self) -> frozenset[str]:
        """Names of the steps whose files are measured or published."""
        ends = (name for end in self.ends for name in (end.graph, end.final))
        named = (self.baseline, *ends, *(stop.graph for stop in self.path))
        return frozenset(name for name in named if name is not None)


def chain_of(plan: Plan, isa: frozenset[str], here: frozenset[str] | None = None) -> Chain:
    """Lay out a plan.

    Args:
        plan: What is to be done.
        isa: Features of the CPU that it is done for, where the plan does not say.
        here: Features of this CPU, which decide what can be run here; None: the same.
    """
    here = isa if here is None else here
    runtimes = tuple(dict.fromkeys(_runtime(target, isa) for target in plan.targets))
    given = input_format(plan.model)
    measured = plan.evaluation is not None and given is Format.TORCH
    common = list(_in_line(plan.steps, _Stand(None, given), runtimes))
    steps, ends = [*([_export(BASELINE, None)] if measured else []), *common], []
    for target in plan.targets:
        branch = _Branch(target, _runtime(target, isa), common, given)
        runs_here = target.cpu is None or here.issuperset(target.cpu.isa)
        steps += branch.steps
        ends.append(replace(branch.end, executed=branch.end.executed and runs_here))
    chain = Chain(tuple(steps), tuple(ends), BASELINE if measured else None)
    asked = plan.evaluation
    if asked is None or (asked.path == "Skip" and asked.on_failure != "Rollback"):
        return chain
    return _with_path(chain, given)


def _export(
    name: str, after: str | None, *, aside: bool = False, target: str | None = None
) -> PlannedStep:
    """An export that nobody asked for, for a model in torch that is to be measured."""
    return PlannedStep(name, "export", StepEntry(export=Export()), after, (), aside, target)


def _with_path(chain: Chain, given: Format) -> Chain:
    """The chain with what it takes to measure after each step; see `Stop`."""
    exports = {step.after: step.name for step in reversed(chain.steps) if step.kind == "export"}
    own = {end.target: end.executed for end in chain.ends}
    formats: dict[str | None, Format] = {None: given}
    steps: list[PlannedStep] = []
    stops: list[Stop] = []
    for step in chain.steps:
        steps.append(step)
        made = formats[step.name] = step.step.gives(formats[step.after])
        if step.name == BASELINE or step.name.endswith(f"/{MEASURED}"):
            continue
        graph = {Format.ONNX: step.name, Format.TORCH: exports.get(step.name)}.get(made)
        if made is Format.TORCH and graph is None:
            graph = f"{step.name}/{PASSED}"
            steps.append(_export(graph, step.name, aside=True, target=step.target))
        clocked = graph is not None and (step.target is None or own[step.target])
        stops.append(Stop(step.name, graph, clocked, step.target))
    return replace(chain, steps=tuple(steps), path=tuple(stops))


@dataclass(frozen=True, slots=True)
class _Stand:
    """Where a chain stands: after which step, and with what."""

    after: str | None
    format: Format


class _Branch:
    """A target's own steps, and where they end.

    An archive is not run itself: what was packed is measured, and unpacking gives it back.
    """

    def __init__(
        self, target: PlannedTarget, runtime: Runtime, common: list[PlannedStep], given: Format
    ) -> None:
        self._target = target
        start = _stand(common, _Stand(None, given))
        own = list(_in_line(target.steps, start, (runtime,), target=target.name))
        end = _stand(own, start)
        self.steps = own
        if end.format is Format.ARCHIVE:
            self.end = self._packed([*common, *own], given, end)
        elif target.engine is not None:
            self.end = self._built(target.engine, end, runtime)
        else:
            self.end = End(target.name, end.after, end.after, executed=True)

    def _built(self, engine: BuildEngine, graph: _Stand, runtime: Runtime) -> End:
        name = f"{self._target.name}/buildEngine"
        self.steps.append(
            PlannedStep(
                name, "buildEngine", engine, graph.after, (runtime,), target=self._target.name
            )
        )
        return End(self._target.name, graph.after, name, executed=False)

    def _packed(self, line: list[PlannedStep], given: Format, archive: _Stand) -> End:
        packed = _stand(line[:-1], _Stand(None, given))
        graph = packed.after
        if packed.format is Format.TORCH:
            graph = f"{self._target.name}/{MEASURED}"
            self.steps.append(_export(graph, packed.after, target=self._target.name))
        return End(self._target.name, graph, archive.after, executed=True)


def _runtime(target: PlannedTarget, isa: frozenset[str]) -> Runtime:
    """What a target runs on; the features of this CPU do not matter to a GPU's engine."""
    if target.cpu is not None:
        return Runtime(target.runtime, frozenset(target.cpu.isa), pinned=True)
    return Runtime(target.runtime, isa if target.runtime == "ONNXRuntime" else frozenset())


def _stand(line: list[PlannedStep], start: _Stand) -> _Stand:
    """Where a chain stands after some steps."""
    for planned in line:
        start = _Stand(planned.name, planned.step.gives(start.format))
    return start


def _in_line(
    entries: tuple[StepEntry, ...],
    start: _Stand,
    runtimes: tuple[Runtime, ...],
    target: str | None = None,
) -> Iterator[PlannedStep]:
    after, under = start.after, f"{target}/" if target else ""
    for entry in entries:
        name = f"{under}{entry.name or entry.kind.lower()}"
        yield PlannedStep(name, entry.kind, entry, after, runtimes, target=target)
        after = name
