"""Measuring results against the input model: same samples, same runner, same threads.

Runs in the child that holds the models; what it finds is judged by `lathe_worker.gates`.
"""

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from lathe_api.v1alpha1.evaluation import QUALITY, SIZES, TIMES, Metric
from lathe_api.v1alpha1.status import MetricStatus
from lathe_steps.base import Artifact, Format
from lathe_steps.toolchains.count import parameters
from lathe_steps.toolchains.graphs import macs
from lathe_steps.toolchains.peak_memory import peak_memory
from lathe_steps.toolchains.source import inputs_of
from lathe_worker.comparison import Comparison, Place, compare, ratio
from lathe_worker.measured import Measured, Timing
from lathe_worker.predictions import one_call, samples_per_call
from lathe_worker.speeds import (
    BASELINE,
    least_calls,
    load_per_cpu,
    throughputs,
    timed,
    times_of,
)
from lathe_worker.waypoints import waypoints

Progress = Callable[[float, str], None]


def measure(run: Comparison, progress: Progress) -> Measured:
    """Measure every metric of the evaluation and of its gates, and the way to the results.

    Args:
        run: What is compared.
        progress: Told the share done, and what is measured.

    Raises:
        BadInput: ShapeMismatch, when an output is not what a metric compares; InvalidDataset,
            when labels are missing or do not fit.
        InvalidSpec: When no output has the name that the evaluation gives.
    """
    load = load_per_cpu()
    found: dict[Place, MetricStatus] = {}
    found |= _quality(run, lambda done: progress(0.5 * done, "comparing answers"))
    progress(0.5, "timing calls")
    speeds, timing = _speeds(run)
    found |= speeds
    progress(0.7, "counting")
    found |= dict(_sizes(run))
    path = waypoints(run, lambda done: progress(0.75 + 0.25 * done, "measuring the path"))
    order = [(c.target, metric) for c in run.candidates for metric in run.order]
    return Measured(
        dataset=run.dataset.name,
        samples=len(run.dataset),
        metrics=tuple(found[place] for place in order if place in found),
        path=path,
        threads=run.threads,
        timing=timing,
        load=round(load, 3),
    )


def _quality(run: Comparison, progress: Callable[[float], None]) -> Mapping[Place, MetricStatus]:
    graphs = {c.target: c.executable for c in run.candidates}
    return compare(run, graphs, run.wanted & QUALITY, limit=None, progress=progress)


def _speeds(run: Comparison) -> tuple[Mapping[Place, MetricStatus], Timing | None]:
    """Times of what is really run here, in turns with the input model's."""
    executed = {c.target: c.executable for c in run.candidates if c.executed}
    models = {BASELINE: run.baseline, **executed}
    found: list[MetricStatus] = []
    timing: Timing | None = None
    asked = run.evaluation
    if executed and run.wanted & TIMES:
        calls = timed(
            models,
            run.dataset,
            asked.latency,
            threads=run.threads,
            least=least_calls(run.wanted),
        )
        timing = calls.timing
        found += times_of(calls, tuple(executed), run.wanted)
    if executed and Metric.THROUGHPUT in run.wanted:
        many = asked.latency.model_copy(update={"batch": asked.throughput.batch})
        calls = timed(models, run.dataset, many, threads=run.threads, least=0)
        busy = calls.timing.busy or (timing is not None and timing.busy)
        timing = (timing or calls.timing).model_copy(update={"busy": busy})
        found += throughputs(calls, tuple(executed))
    return {(it.target, it.name): it for it in found}, timing


def _sizes(run: Comparison) -> Iterator[tuple[Place, MetricStatus]]:
    sample = one_call(run.dataset, samples_per_call(inputs_of(run.baseline)) or 1)
    for metric in Metric:
        if metric not in run.wanted & SIZES:
            continue
        measured = _MEASURES[metric](run, sample)
        before = measured(run.source, run.baseline)
        for c in run.candidates:
            if metric is not Metric.PEAK_MEMORY or c.executed:
                after = measured(c.final, c.executable)
                if before is not None and after is not None:
                    yield (c.target, metric), ratio(metric, c.target, before, after)


Measure = Callable[[Artifact, Artifact], float | None]
"""What a model takes, from its files and its graph; None where that cannot be measured."""
_MEASURES: Mapping[Metric, Callable[[Comparison, Mapping[str, np.ndarray]], Measure]] = {
    Metric.SIZE_BYTES: lambda _run, _sample: lambda files, _graph: files.size,
    Metric.PARAMS: lambda _run, _sample: (
        lambda files, graph: parameters(files if files.format is Format.TORCH else graph)
    ),
    Metric.MACS: lambda _run, sample: lambda _files, graph: macs.count(graph, sample),
    Metric.PEAK_MEMORY: lambda run, sample: (
        lambda _files, graph: peak_memory(graph, sample, run.threads)
    ),
}
