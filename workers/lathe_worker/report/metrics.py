"""Metrics as people read them: titles, values with units, and what became of them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath

from lathe_api.plan import Plan
from lathe_api.v1alpha1.evaluation import LATENCIES, QUALITY, SHARES, SIZES, SPEEDS, Metric
from lathe_api.v1alpha1.status import MetricStatus, Summary
from lathe_worker.report import words
from lathe_worker.report.scales import Scale

Spell = Callable[[float], str]

TITLES: Mapping[Metric, str] = {
    Metric.SIZE_BYTES: "Size",
    Metric.LATENCY_P50: "Latency",
    Metric.TOP1: "Top-1 accuracy",
    Metric.TOP5: "Top-5 accuracy",
    Metric.F1: "F1 score",
    Metric.R2: "R² score",
    Metric.MAE: "Mean error",
    Metric.RMSE: "RMS error",
    Metric.ARGMAX_AGREEMENT: "Agreement",
    Metric.COSINE: "Similarity",
    Metric.PARAMS: "Parameters",
    Metric.MACS: "MACs",
    Metric.PEAK_MEMORY: "Peak memory",
    Metric.LATENCY_P95: "Latency, 95% of calls",
    Metric.LATENCY_P99: "Latency, 99% of calls",
    Metric.CPU_TIME: "CPU time",
    Metric.THROUGHPUT: "Throughput",
}
"""What each metric is called, in the order in which people ask for them."""

VALUES: Mapping[Metric, Spell] = {
    **dict.fromkeys(SHARES, words.percent),
    **dict.fromkeys(LATENCIES, words.milliseconds),
    Metric.CPU_TIME: words.milliseconds,
    Metric.THROUGHPUT: words.per_second,
    Metric.COSINE: words.places,
    Metric.R2: words.places,
    Metric.MAE: words.number,
    Metric.RMSE: words.number,
    Metric.SIZE_BYTES: words.size,
    Metric.PEAK_MEMORY: words.size,
    Metric.PARAMS: words.count,
    Metric.MACS: words.count,
}
"""How the values of each metric are spelled."""

_SMALL = 0.1
"""Below this ratio a factor says more than a percentage."""
_JUDGED = {"Agreement": Metric.ARGMAX_AGREEMENT}
"""What steps measure on few samples, by the name of the metric that it is on all of them."""


def value(metric: Metric, number: float) -> str:
    """A metric's value with its unit."""
    return VALUES[metric](number)


def effect(metric: MetricStatus) -> str:
    """What became of a metric, such as -87%, 3.1x faster, -0.5pp or +0.012."""
    if metric.name in QUALITY:
        return _difference(metric.name, metric.delta or 0.0)
    if metric.name in SPEEDS:
        return _faster(metric)
    if metric.ratio and metric.ratio < _SMALL:
        return f"{words.times(1 / metric.ratio)} smaller"
    return change(metric) or ""


def interval(metric: MetricStatus) -> str:
    """The 95 % interval of the effect, such as -1.2 to +0.3pp, or 2.9 to 3.3x."""
    if metric.low is None or metric.high is None:
        return ""
    if metric.name in SHARES:
        return f"{100 * metric.low:+.1f} to {words.difference(metric.high)}"
    if metric.name in QUALITY:
        return f"{words.signed(metric.low)} to {words.signed(metric.high)}"
    low, high = metric.low, metric.high
    if metric.name in SPEEDS and metric.ratio and metric.ratio < 1:
        low, high = 1 / (high or 1.0), 1 / (low or 1.0)
    return f"{words.factor(low)} to {words.times(high)}"


def change(metric: MetricStatus | None) -> str | None:
    """Growth or shrinkage, such as -87%."""
    if metric is None or metric.ratio is None:
        return None
    return f"{100 * (metric.ratio - 1):+.0f}%".replace("-0%", "0%").replace("+0%", "0%")


def speed(metric: MetricStatus) -> float | None:
    """How many times as fast as the input model; None where it is not known."""
    if not metric.ratio:
        return None
    return metric.ratio if metric.name is Metric.THROUGHPUT else 1 / metric.ratio


def _faster(metric: MetricStatus) -> str:
    found = speed(metric)
    if found is None:
        return ""
    more, less = ("more", "less") if metric.name is Metric.THROUGHPUT else ("faster", "slower")
    return f"{words.times(found)} {more}" if found >= 1 else f"{words.times(1 / found)} {less}"


def _difference(metric: Metric, delta: float) -> str:
    return words.difference(delta) if metric in SHARES else words.signed(delta)


def known(name: str) -> Metric | None:
    """The metric of this name, as steps and evaluations call it; None when there is none."""
    return _JUDGED.get(name) or next((each for each in Metric if each.value == name), None)


def title_of(name: str) -> str:
    """What a step measured, such as Top-1 accuracy."""
    metric = known(name)
    return TITLES[metric] if metric else name[:1].upper() + name[1:]


def value_of(name: str, number: float) -> str:
    """A value that a step measured, with its unit where the metric is known."""
    metric = known(name)
    return value(metric, number) if metric else words.number(number)


def change_of(name: str, delta: float) -> str:
    """By how much a step saw a metric change, such as -0.5pp."""
    metric = known(name)
    return _difference(metric, delta) if metric else words.signed(delta)


def ticks_of(name: str, scale: Scale) -> tuple[float, ...]:
    """Round figures on a scale of what a step measured; a share has none below 0 or above 1."""
    found = scale.ticks()
    return tuple(tick for tick in found if 0 <= tick <= 1) if known(name) in SHARES else found


def summary(plan: Plan, metrics: Sequence[MetricStatus], seconds: float) -> Summary:
    """The result in three words, for the columns of `kubectl get`.

    All of them are about one target, so that they belong together: the first of those on which
    most metrics were measured.

    Args:
        plan: What was done.
        metrics: What was measured, on every target.
        seconds: How long the run took.
    """
    shown = shown_target(plan, metrics)
    found = {metric.name: metric for metric in metrics if metric.target == shown}
    quality = [metric for name, metric in found.items() if name in QUALITY]
    return Summary(
        size=change(found.get(Metric.SIZE_BYTES)),
        speedup=_speedup(found),
        quality=f"{quality[0].name} {effect(quality[0])}" if quality else None,
        model=PurePosixPath(plan.model.uri).name,
        targets=",".join(target.name for target in plan.targets),
        duration=words.duration(seconds),
    )


def _speedup(found: Mapping[Metric, MetricStatus]) -> str | None:
    fast = next((found[name] for name in TITLES if name in SPEEDS and name in found), None)
    factor = speed(fast) if fast else None
    return words.times(factor) if factor else None


def shown_target(plan: Plan, metrics: Sequence[MetricStatus]) -> str:
    """The target that stands for the run: the first of those on which most was measured."""
    names = [target.name for target in plan.targets]
    return max(names, key=lambda name: sum(metric.target == name for metric in metrics))


def said(metric: MetricStatus) -> str:
    """What became of a metric in a sentence: 87% smaller, 3.1x faster, top-1 accuracy -0.5pp."""
    title = TITLES[metric.name]
    called = title if title.isupper() or title[1:2].isupper() else title[:1].lower() + title[1:]
    if metric.name in QUALITY:
        return f"{called} {words.minus(effect(metric))}"
    if metric.name not in SIZES:
        return effect(metric) if metric.name in LATENCIES else f"{effect(metric)} {called}"
    ratio = metric.ratio if metric.ratio is not None else 1.0
    if 0 < ratio < _SMALL:
        return effect(metric)
    return f"{100 * abs(1 - ratio):.0f}% {'smaller' if ratio <= 1 else 'larger'}"
