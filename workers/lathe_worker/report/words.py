"""Figures as people read them."""

from collections.abc import Sequence
from pathlib import PurePosixPath

from lathe_api.plan import Plan
from lathe_api.v1alpha1.evaluation import QUALITY, Metric
from lathe_api.v1alpha1.status import MetricStatus, Summary

_KILO = 1000
_MINUTE = 60
_TEN = 10


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
        speedup=speedup(found.get(Metric.LATENCY_P50)),
        quality=f"{quality[0].name} {difference(quality[0].delta or 0.0)}" if quality else None,
        model=PurePosixPath(plan.model.uri).name,
        targets=",".join(target.name for target in plan.targets),
        duration=duration(seconds),
    )


def shown_target(plan: Plan, metrics: Sequence[MetricStatus]) -> str:
    """The target that stands for the run: the first of those on which most was measured."""
    names = [target.name for target in plan.targets]
    return max(names, key=lambda name: sum(metric.target == name for metric in metrics))


def change(metric: MetricStatus | None) -> str | None:
    """Growth or shrinkage, such as -87%."""
    if metric is None or metric.ratio is None:
        return None
    return f"{100 * (metric.ratio - 1):+.0f}%".replace("-0%", "0%").replace("+0%", "0%")


def speedup(metric: MetricStatus | None) -> str | None:
    """How much faster, such as 3.1x."""
    return times(1 / metric.ratio) if metric and metric.ratio else None


def times(factor: float) -> str:
    """A factor, such as 3.1x or 12x."""
    return f"{_factor(factor)}x"


def _factor(factor: float) -> str:
    return f"{factor:.0f}" if factor >= _TEN else f"{factor:.1f}"


def difference(delta: float) -> str:
    """A difference of shares in percentage points, such as -0.5pp."""
    return f"{100 * delta:+.1f}pp".replace("-0.0", "0.0").replace("+0.0", "0.0")


def size(count: float) -> str:
    """Bytes, such as 5.4 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < _KILO:
            return f"{count:.0f} B" if unit == "B" else f"{count:.3g} {unit}"
        count /= _KILO
    return f"{count:.3g} TB"


def count(number: float) -> str:
    """How many, such as 11.2 M."""
    for unit in ("", " k", " M"):
        if number < _KILO:
            return f"{number:.3g}{unit}"
        number /= _KILO
    return f"{number:.3g} G"


def duration(seconds: float) -> str:
    """How long, such as 45s, 1m36s, 12m or 3h20m."""
    if seconds < _MINUTE:
        return f"{seconds:.0f}s"
    minutes, rest = divmod(round(seconds), _MINUTE)
    if minutes < _TEN:
        return f"{minutes}m{rest:02d}s"
    hours, minutes = divmod(minutes, _MINUTE)
    return f"{hours}h{minutes:02d}m" if hours else f"{minutes}m"


def seconds(value: float) -> str:
    """How long a step took, such as 0.42 s, 31 s or 12m."""
    return f"{value:.2g} s" if value < _TEN else duration(value)


def milliseconds(value: float) -> str:
    """A time, such as 3.02 ms, or 48 µs."""
    return f"{value:.3g} ms" if value >= 1 else f"{1000 * value:.3g} µs"


def percent(share: float) -> str:
    """A share, such as 98.2%."""
    return f"{100 * share:.1f}%"


def value(metric: Metric, number: float) -> str:
    """A metric's value with its unit."""
    spelled = {
        Metric.TOP1: percent,
        Metric.ARGMAX_AGREEMENT: percent,
        Metric.SIZE_BYTES: size,
        Metric.PARAMS: count,
        Metric.LATENCY_P50: milliseconds,
    }
    return spelled[metric](number)


def effect(metric: MetricStatus) -> str:
    """What became of a metric, such as -87%, 3.1x faster, or -0.5pp."""
    if metric.name in QUALITY:
        return difference(metric.delta or 0.0)
    if metric.name is not Metric.LATENCY_P50:
        return change(metric) or ""
    if not metric.ratio:
        return ""
    slower = metric.ratio > 1
    return (
        f"{times(metric.ratio if slower else 1 / metric.ratio)} {'slower' if slower else 'faster'}"
    )


def interval(metric: MetricStatus) -> str:
    """The 95 % interval of the effect, such as -1.2 to +0.3pp, or 2.9 to 3.3x."""
    if metric.low is None or metric.high is None:
        return ""
    if metric.name in QUALITY:
        return f"{100 * metric.low:+.1f} to {difference(metric.high)}"
    low, high = metric.low, metric.high
    if metric.ratio and metric.ratio < 1:
        low, high = 1 / (high or 1.0), 1 / (low or 1.0)
    return f"{_factor(low)} to {times(high)}"


def minus(said: str) -> str:
    """With minus signs instead of hyphens, for print."""
    return said.replace("-", "\N{MINUS SIGN}")
