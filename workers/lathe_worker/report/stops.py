"""What is known of the model after each step: the stops of the path."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from lathe_api.v1alpha1.evaluation import QUALITY, Metric
from lathe_api.v1alpha1.status import MetricStatus
from lathe_worker.chain import BASELINE, MEASURED
from lathe_worker.manifest import ManifestStep
from lathe_worker.measured import Waypoint
from lathe_worker.report.document import Report


@dataclass(frozen=True, slots=True)
class Value:
    """A figure and how sure it is.

    Attributes:
        point: The figure.
        low: Lower end of its 95 % interval; the figure itself where it is exact.
        high: Upper end.
    """

    point: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Stop:
    """The model at one place of the path.

    Attributes:
        name: The step, without its target.
        kind: The step as users spell it; empty for the input model.
        target: The target that the step belongs to; None for the input model and common steps.
        bytes: Size of its files.
        values: What was measured of it.
        executed: False for what was built here and not run here.
        given_up: Whether the target was rolled back to a stop before it.
    """

    name: str
    kind: str
    target: str | None
    bytes: int
    values: Mapping[Metric, Value] = field(default_factory=dict)
    executed: bool = True
    given_up: bool = False

    @property
    def is_input(self) -> bool:
        """Whether it is the input model."""
        return not self.kind and self.target is None


def stops(report: Report) -> list[Stop]:
    """The input model, the common steps, then each target's own, as the plan has them.

    A target's last step has what was measured of the target; what serves only to be compared is
    left out. A target without steps of its own has one stop, which is named after its runtime.
    """
    size = report.inputs[0].bytes
    passed = [metric for each in measured_path(report) for metric in each.metrics]
    found = [Stop("input model", "", None, size, _before([*_metrics(report), *passed]))]
    way = {each.step: _after(each.metrics) for each in measured_path(report)}
    found += [_stop(step, None, way) for step in common_steps(report.steps)]
    for target in report.plan.targets:
        found += _of_target(report, target.name, target.runtime, way, found[-1])
    return found


def _of_target(
    report: Report, name: str, runtime: str, way: Mapping[str, Mapping[Metric, Value]], end: Stop
) -> list[Stop]:
    last = _after(metric for metric in _metrics(report) if metric.target == name)
    executed = next((each.executed for each in report.targets if each.name == name), True)
    own = [_stop(step, name, way) for step in steps_of(report.steps, name)]
    if not own:
        size = sum(each.bytes for each in report.artifacts if each.target == name)
        return [Stop(runtime, "", name, size or end.bytes, last, executed)]
    if name in report.rolled_back:
        return list(_given_up(own, report.rolled_back[name].removeprefix(f"{name}/")))
    final = replace(own[-1], values={**own[-1].values, **last}, executed=executed)
    return [*own[:-1], final]


def _given_up(own: list[Stop], published: str) -> Iterator[Stop]:
    """The steps of a target that was rolled back; a common step was published if none of them."""
    kept = published in [stop.name for stop in own]
    for stop in own:
        yield replace(stop, given_up=not kept)
        kept = kept and stop.name != published


def _stop(
    step: ManifestStep, target: str | None, way: Mapping[str, Mapping[Metric, Value]]
) -> Stop:
    name = step.name.rpartition("/")[2]
    return Stop(name, step.kind, target, step.bytes, way.get(step.name, {}))


def common_steps(steps: Sequence[ManifestStep]) -> list[ManifestStep]:
    """The steps that all targets share."""
    return [step for step in steps if "/" not in step.name]


def steps_of(steps: Sequence[ManifestStep], target: str) -> list[ManifestStep]:
    """The steps of one target, without what only serves to measure it."""
    own = [step for step in steps if step.name.startswith(f"{target}/")]
    return [step for step in own if not only_compares(step.name)]


def only_compares(name: str) -> bool:
    """Whether a step serves only to measure something."""
    return name == BASELINE or name.endswith(f"/{MEASURED}")


def measured_path(report: Report) -> Sequence[Waypoint]:
    """What was measured on the way."""
    return report.measured.path if report.measured else ()


def path_metric(report: Report, among: frozenset[Metric]) -> Metric | None:
    """The first of these metrics that was measured, on the way or at its end; None if none was."""
    ways = [metric.name for each in measured_path(report) for metric in each.metrics]
    ends = [metric.name for metric in _metrics(report)]
    return next((name for name in (*ways, *ends) if name in among), None)


def _metrics(report: Report) -> Sequence[MetricStatus]:
    return report.measured.metrics if report.measured else ()


def _before(metrics: Sequence[MetricStatus]) -> dict[Metric, Value]:
    return {each.name: Value(each.input, each.input, each.input) for each in reversed(metrics)}


def _after(metrics: Iterable[MetricStatus]) -> dict[Metric, Value]:
    return {each.name: _value(each) for each in metrics}


def _value(metric: MetricStatus) -> Value:
    """The result's value; the interval is that of the change, laid onto the input's value."""
    ends = tuple(_ends(metric))
    return Value(metric.output, min(ends), max(ends))


def _ends(metric: MetricStatus) -> Iterator[float]:
    yield metric.output
    for end in (metric.low, metric.high):
        if end is not None and metric.name in QUALITY:
            yield metric.input + end
        elif end is not None:
            yield metric.input * end
