"""How fast results are beside the input model: calls in turns, by the clock and by CPU time."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lathe_api.v1alpha1.evaluation import LATENCIES, TIMES, Latency, Metric
from lathe_api.v1alpha1.status import MetricStatus
from lathe_steps.base import Artifact, Dataset
from lathe_steps.toolchains.source import inputs_of
from lathe_steps.toolchains.timing import Plan, Times, interleaved, pinned
from lathe_worker import intervals
from lathe_worker.figures import rounded
from lathe_worker.intervals import Interval
from lathe_worker.measured import Timing
from lathe_worker.predictions import one_call, samples_per_call

QUANTILES = {Metric.LATENCY_P50: 0.5, Metric.LATENCY_P95: 0.95, Metric.LATENCY_P99: 0.99}
LEAST_CALLS = {Metric.LATENCY_P95: 75, Metric.LATENCY_P99: 370}
"""Fewer calls have no upper end of a 95 % interval of that quantile."""
WAITED = 1.25
"""Wall time over CPU time of calls, from which they waited for a CPU. Of calls with several threads
it may be less although they did: then the load of the machine tells."""
_LEAST_MS = 1e-6
BASELINE = ""  # no target has this name


@dataclass(frozen=True, slots=True)
class Timed:
    """Models that were timed in turns.

    Attributes:
        times: By name; the input model's under BASELINE.
        timing: How, and what the machine did meanwhile.
    """

    times: Mapping[str, Times]
    timing: Timing

    def judged(self, times: Times) -> Sequence[float]:
        """What says how long calls take: CPU time of single threads on a busy machine."""
        by_cpu = self.timing.busy and self.timing.threads == 1
        return times.cpu if by_cpu else times.wall


def timed(
    models: Mapping[str, Artifact],
    dataset: Dataset,
    latency: Latency,
    *,
    threads: int,
    least: int,
) -> Timed:
    """Time single calls of models in turns, on CPUs of their own if the system lets us.

    Args:
        models: By name; the input model under BASELINE.
        dataset: Whose first samples are the calls' inputs.
        latency: How; without a number of threads, `threads`.
        threads: CPU threads of the run.
        least: How many calls of each model at least.
    """
    wanted = latency.threads or threads
    size = samples_per_call(inputs_of(models[BASELINE])) or latency.batch
    load = load_per_cpu()
    plan = Plan(wanted, latency.seconds * len(models), max(least, latency.min_calls))
    with pinned(wanted) as cpus:
        taken = interleaved(models, one_call(dataset, size), plan)
    wall = sum(sum(times.wall) for times in taken.values())
    waited = wall / max(sum(sum(times.cpu) for times in taken.values()), _LEAST_MS)
    busy = waited > WAITED or (wanted > 1 and load > 1)
    return Timed(
        taken, Timing(threads=wanted, batch=size, cpus=cpus, waited=round(waited, 3), busy=busy)
    )


def load_per_cpu() -> float:
    """How many processes of the machine want to run, over its CPUs: the mean of the last minute."""
    return os.getloadavg()[0] / (os.cpu_count() or 1)


def least_calls(metrics: frozenset[Metric]) -> int:
    """How many calls the metrics need."""
    return max((LEAST_CALLS.get(metric, 0) for metric in metrics), default=0)


def times_of(
    timed: Timed, names: Sequence[str], wanted: frozenset[Metric]
) -> Iterator[MetricStatus]:
    """The wanted times of single calls, each model beside the input model."""
    for name in names:
        before, after = timed.times[BASELINE], timed.times[name]
        for metric in Metric:
            if metric in wanted & LATENCIES:
                yield _latency(metric, name, timed.judged(before), timed.judged(after)).model_copy(
                    update=_by_cpu(metric, before, after)
                )
            elif metric in wanted & TIMES:
                yield _latency(metric, name, before.cpu, after.cpu)


def _latency(
    metric: Metric, target: str, before: Sequence[float], after: Sequence[float]
) -> MetricStatus:
    share = QUANTILES.get(metric, 0.5)
    if metric in LEAST_CALLS:
        found = intervals.ratio_of_quantiles(_positive(after), _positive(before), share)
    else:
        found = intervals.ratio_of_medians(_positive(after), _positive(before))
    was, now = (_at(times, share) for times in (before, after))
    return _beside(metric, target, was, now, found).model_copy(update={"samples": len(after)})


def _by_cpu(metric: Metric, before: Times, after: Times) -> dict[str, float]:
    was, now = (_at(times.cpu, QUANTILES[metric]) for times in (before, after))
    return {"cpu_output": rounded(now), "cpu_ratio": rounded(now / was)}


def throughputs(timed: Timed, names: Sequence[str]) -> Iterator[MetricStatus]:
    """Samples per second of each model beside the input model."""
    samples = 1000 * timed.timing.batch
    for name in names:
        times = timed.times[BASELINE], timed.times[name]
        before, after = (timed.judged(each) for each in times)
        slower = intervals.ratio_of_medians(_positive(after), _positive(before))
        found = Interval(1 / slower.high, 1 / slower.low)
        was, now = (samples / _at(each, 0.5) for each in (before, after))
        cpu_was, cpu_now = (samples / _at(each.cpu, 0.5) for each in times)
        update = {
            "cpu_output": rounded(cpu_now),
            "cpu_ratio": rounded(cpu_now / cpu_was),
            "samples": len(after),
        }
        yield _beside(Metric.THROUGHPUT, name, was, now, found).model_copy(update=update)


def _beside(metric: Metric, target: str, was: float, now: float, found: Interval) -> MetricStatus:
    return MetricStatus(
        name=metric,
        target=target,
        input=rounded(was),
        output=rounded(now),
        ratio=rounded(now / was),
        low=rounded(min(found.low, now / was)),
        high=rounded(max(found.high, now / was)),
    )


def _at(times: Sequence[float], share: float) -> float:
    """A quantile of times."""
    return max(float(np.quantile(times, share)), _LEAST_MS)


def _positive(values: Sequence[float]) -> list[float]:
    return [max(value, _LEAST_MS) for value in values]
