"""Measuring results against the input model: same samples, same runner, same threads.

Runs in the child that holds the models; what it finds is judged by `lathe_worker.gates`.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lathe_api.v1alpha1.evaluation import Evaluation, Metric
from lathe_api.v1alpha1.status import MetricStatus
from lathe_steps.base import Artifact, Dataset
from lathe_worker import intervals
from lathe_worker.measured import Measured
from lathe_worker.predictions import Predictions, predict, samples_per_call

if TYPE_CHECKING:
    import numpy as np

Progress = Callable[[float, str], None]

SECONDS_PER_MODEL = 1.5
LEAST_CALLS = 25
_BASELINE = ""  # no target has this name


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


def measure(  # noqa: PLR0913 - everything that is compared, by name
    evaluation: Evaluation,
    *,
    source: Artifact,
    baseline: Artifact,
    candidates: Sequence[Candidate],
    dataset: Dataset,
    threads: int,
    progress: Progress,
) -> Measured:
    """Measure every metric of the evaluation and of its gates.

    Args:
        evaluation: What is asked for.
        source: The input model; its files make the input's size.
        baseline: The input model as ONNX, which is run for comparison.
        candidates: What came out, by target.
        dataset: The evaluation's samples.
        threads: CPU threads of every call.
        progress: Told the share done, and what is measured.

    Raises:
        BadInput: ShapeMismatch, when an output holds no scores of classes; InvalidDataset, when
            labels are missing or name classes that the model does not have.
        InvalidSpec: When no output has the name that the evaluation gives.
    """
    wanted = frozenset((*evaluation.metrics, *(gate.metric for gate in evaluation.gates)))
    load = os.getloadavg()[0] / (os.cpu_count() or 1)
    run = _Comparison(evaluation.output, baseline, tuple(candidates), dataset, threads)
    found = {
        **_quality(run, wanted, lambda done, what: progress(0.7 * done, what)),
        **_latency(run, wanted, lambda done, what: progress(0.7 + 0.3 * done, what)),
        **dict(_sizes(source, candidates, wanted)),
    }
    order = [(c.target, metric) for c in candidates for metric in _ordered(evaluation)]
    metrics = tuple(found[place] for place in order if place in found)
    return Measured(
        dataset=dataset.name, samples=len(dataset), metrics=metrics, threads=threads, load=load
    )


Place = tuple[str, Metric]
"""A target and a metric."""


@dataclass(frozen=True, slots=True)
class _Comparison:
    output: str | None
    baseline: Artifact
    candidates: tuple[Candidate, ...]
    dataset: Dataset
    threads: int


def _ordered(evaluation: Evaluation) -> Iterable[Metric]:
    return dict.fromkeys((*evaluation.metrics, *(gate.metric for gate in evaluation.gates)))


def _sizes(
    source: Artifact, candidates: Sequence[Candidate], wanted: frozenset[Metric]
) -> Iterator[tuple[Place, MetricStatus]]:
    from lathe_steps.toolchains.count import parameters  # noqa: PLC0415 - only the child measures

    for candidate in candidates:
        pairs: dict[Metric, tuple[float, float]] = {}
        if Metric.SIZE_BYTES in wanted:
            pairs[Metric.SIZE_BYTES] = (source.size, candidate.final.size)
        if Metric.PARAMS in wanted:
            pairs[Metric.PARAMS] = (parameters(source), parameters(candidate.executable))
        for metric, (before, after) in pairs.items():
            yield (
                (candidate.target, metric),
                MetricStatus(
                    name=metric,
                    target=candidate.target,
                    input=before,
                    output=after,
                    ratio=after / before if before else None,
                ),
            )


def _latency(
    run: _Comparison, wanted: frozenset[Metric], progress: Progress
) -> Mapping[Place, MetricStatus]:
    """Single calls in turns with the input model's; only of what is really run here."""
    executed = [candidate for candidate in run.candidates if candidate.executed]
    if Metric.LATENCY_P50 not in wanted or not executed:
        return {}
    from lathe_steps.toolchains.onnx_runtime import (  # noqa: PLC0415 - only the child measures
        interleaved_latencies,
    )
    from lathe_steps.toolchains.source import inputs_of  # noqa: PLC0415 - same reason

    progress(0.0, "timing single calls")
    models = {_BASELINE: run.baseline} | {c.target: c.executable for c in executed}
    taken = interleaved_latencies(
        models,
        one_call(run.dataset, samples_per_call(inputs_of(run.baseline)) or 1),
        threads=run.threads,
        seconds=SECONDS_PER_MODEL * len(models),
        least=LEAST_CALLS,
    )
    return {
        (c.target, Metric.LATENCY_P50): _faster(c.target, taken[_BASELINE], taken[c.target])
        for c in executed
    }


def one_call(dataset: Dataset, size: int) -> Mapping[str, np.ndarray]:
    """The inputs of one call with `size` samples; they repeat where there are fewer."""
    import numpy as np  # noqa: PLC0415 - only the child measures

    batch = next(dataset.batches(size))
    return {
        name: np.resize(array, (size, *array.shape[1:])) for name, array in batch.inputs.items()
    }


def _faster(target: str, before: Sequence[float], after: Sequence[float]) -> MetricStatus:
    low, high = intervals.ratio_of_medians(after, before)
    was, now = statistics.median(before), statistics.median(after)
    return MetricStatus(
        name=Metric.LATENCY_P50,
        target=target,
        input=was,
        output=now,
        ratio=now / was,
        low=low,
        high=high,
        samples=len(after),
    )


def _quality(
    run: _Comparison, wanted: frozenset[Metric], progress: Progress
) -> Mapping[Place, MetricStatus]:
    if wanted.isdisjoint({Metric.TOP1, Metric.ARGMAX_AGREEMENT}):
        return {}
    artifacts = {run.baseline.main: run.baseline}
    artifacts |= {c.executable.main: c.executable for c in run.candidates}
    found: dict[Path, Predictions] = {}
    for place, artifact in artifacts.items():
        share = partial(_part, progress, len(found), len(artifacts))
        found[place] = predict(
            artifact, run.dataset, output=run.output, threads=run.threads, progress=share
        )
    before = found[run.baseline.main]
    measured: dict[Place, MetricStatus] = {}
    for candidate in run.candidates:
        after = found[candidate.executable.main]
        if Metric.TOP1 in wanted:
            measured[candidate.target, Metric.TOP1] = top1(candidate.target, before, after)
        if Metric.ARGMAX_AGREEMENT in wanted:
            measured[candidate.target, Metric.ARGMAX_AGREEMENT] = agreement(
                candidate.target, before, after
            )
    return measured


def _part(progress: Progress, index: int, of: int, done: float) -> None:
    progress((index + done) / of, "comparing answers")


def top1(target: str, before: Predictions, after: Predictions) -> MetricStatus:
    """Share of samples whose largest score is the label's, before and after."""
    was, now = before.right(), after.right()
    low, high = intervals.paired_difference(
        int((now & ~was).sum()), int((was & ~now).sum()), len(was)
    )
    share_before, share_after = float(was.mean()), float(now.mean())
    return MetricStatus(
        name=Metric.TOP1,
        target=target,
        input=share_before,
        output=share_after,
        delta=share_after - share_before,
        low=low,
        high=high,
        samples=len(was),
    )


def agreement(target: str, before: Predictions, after: Predictions) -> MetricStatus:
    """Share of samples whose largest score is where the input model has it."""
    share = float(before.agreement(after).mean())
    low, high = intervals.share(share * before.samples, before.samples)
    return MetricStatus(
        name=Metric.ARGMAX_AGREEMENT,
        target=target,
        input=1.0,
        output=share,
        delta=share - 1.0,
        low=low - 1.0,
        high=high - 1.0,
        samples=before.samples,
    )
