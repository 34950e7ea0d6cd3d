"""The way from the input model to each result: what is measured after every step."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from lathe_api.v1alpha1.evaluation import QUALITY, Metric
from lathe_api.v1alpha1.status import MetricStatus
from lathe_steps.base import Artifact
from lathe_steps.errors import BadInput, Internal
from lathe_steps.toolchains.count import parameters
from lathe_worker.comparison import Comparison, Place, compare, ratio
from lathe_worker.measured import Passed, Waypoint
from lathe_worker.predictions import Model, one_call
from lathe_worker.speeds import BASELINE, timed, times_of

SAMPLES = 2000
"""Most samples that are compared after each step."""
SECONDS = 0.3
"""How long each model is timed."""
AT_A_TIME = 1 << 30
"""Bytes of models that are loaded beside the input model, at most, unless one has more."""


def waypoints(run: Comparison, progress: Callable[[float], None]) -> tuple[Waypoint, ...]:
    """Sizes, the first quality metric and the median latency after each step.

    What ONNX Runtime cannot run on the evaluation's samples, although the input model does, is
    left out: it is the way, not the result.

    Args:
        run: What is compared; `path` says with what.
        progress: Told the share done.
    """
    if run.evaluation.path == "Skip":
        return ()
    first = frozenset([metric for metric in run.order if metric in QUALITY][:1])
    found: dict[Place, MetricStatus] = {}
    groups = list(_groups(_runnable(run)))
    for i, group in enumerate(groups):
        graphs = {passed.step: passed.graph for passed in group if passed.graph is not None}
        found |= compare(run, graphs, first, limit=SAMPLES, progress=lambda _share: None)
        if run.evaluation.path == "Full":
            clocked = {it.step: graphs[it.step] for it in group if it.clocked}
            found |= {(it.target, it.name): it for it in _latencies(run, clocked)}
        progress((i + 1) / len(groups))
    measured = {name for name, _ in found}
    return tuple(
        Waypoint(step=it.step, metrics=tuple(_metrics(run, it, found)))
        for it in run.path
        if it.graph is None or it.step in measured or not first
    )


def _metrics(
    run: Comparison, passed: Passed, found: Mapping[Place, MetricStatus]
) -> Iterator[MetricStatus]:
    yield ratio(Metric.SIZE_BYTES, passed.step, run.source.size, passed.bytes)
    if passed.graph is not None:
        counts = parameters(run.source), parameters(passed.graph)
        yield ratio(Metric.PARAMS, passed.step, *counts)
    yield from (found[passed.step, metric] for metric in Metric if (passed.step, metric) in found)


def _runnable(run: Comparison) -> list[Passed]:
    """What can be run here on a sample."""
    sample = one_call(run.dataset, 1)
    return [it for it in run.path if it.graph is not None and _runs(run, it.graph, sample)]


def _runs(run: Comparison, graph: Artifact, sample: Mapping[str, np.ndarray]) -> bool:
    try:
        Model(graph, run.threads, run.evaluation.output).answer(sample)
    except (Internal, BadInput):
        return False
    return True


def _groups(passed: Sequence[Passed]) -> Iterator[list[Passed]]:
    """Models that are loaded at the same time."""
    group: list[Passed] = []
    for it in passed:
        if group and sum(each.bytes for each in (*group, it)) > AT_A_TIME:
            yield group
            group = []
        group.append(it)
    if group:
        yield group


def _latencies(run: Comparison, graphs: Mapping[str, Artifact]) -> Iterator[MetricStatus]:
    if not graphs:
        return
    short = run.evaluation.latency.model_copy(update={"seconds": SECONDS, "min_calls": 25})
    models = {BASELINE: run.baseline, **graphs}
    calls = timed(models, run.dataset, short, threads=run.threads, least=0)
    yield from times_of(calls, tuple(graphs), frozenset({Metric.LATENCY_P50}))
