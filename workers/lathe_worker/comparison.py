"""Comparing graphs with the input model, sample by sample."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from lathe_api.v1alpha1.evaluation import Evaluation, Metric
from lathe_api.v1alpha1.status import MetricStatus
from lathe_steps.base import Artifact, Dataset
from lathe_worker import quality
from lathe_worker.figures import rounded
from lathe_worker.measured import Candidate, Passed
from lathe_worker.predictions import Model, observed

Place = tuple[str, Metric]
"""A target and a metric."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that is compared, on which samples, and how.

    Attributes:
        evaluation: What is asked for.
        source: The input model; its files make the input's size.
        baseline: The input model as ONNX, which is run for comparison.
        candidates: What came out, by target.
        dataset: The evaluation's samples.
        threads: CPU threads of every call.
        path: What the steps had made, in the plan's order.
    """

    evaluation: Evaluation
    source: Artifact
    baseline: Artifact
    candidates: tuple[Candidate, ...]
    dataset: Dataset
    threads: int
    path: tuple[Passed, ...] = ()

    @property
    def order(self) -> Iterable[Metric]:
        """Every metric that is asked for, those of gates last."""
        gates = (gate.metric for gate in self.evaluation.gates)
        return dict.fromkeys((*self.evaluation.metrics, *gates))

    @property
    def wanted(self) -> frozenset[Metric]:
        """Every metric that is asked for."""
        return frozenset(self.order)


def compare(
    run: Comparison,
    graphs: Mapping[str, Artifact],
    wanted: frozenset[Metric],
    *,
    limit: int | None,
    progress: Callable[[float], None],
) -> Mapping[Place, MetricStatus]:
    """Compare graphs with the input model, sample by sample.

    Args:
        run: What they are compared with, and on which samples.
        graphs: By the name that the metrics get as their target.
        wanted: Metrics of quality.
        limit: Compare on only so many samples, evenly spread.
        progress: Told the share done.
    """
    if not wanted or not graphs:
        return {}
    artifacts = {it.main: it for it in (run.baseline, *graphs.values())}
    models = [Model(it, run.threads, run.evaluation.output) for it in artifacts.values()]
    observers = {metric.value: quality.METRICS[metric][0] for metric in Metric if metric in wanted}
    seen = observed(models, run.dataset, observers, limit=limit, progress=progress)
    by_file = dict(zip(artifacts, seen, strict=True))
    before = by_file[run.baseline.main]
    return {
        (name, metric): _beside(metric, name, before, by_file[graph.main])
        for name, graph in graphs.items()
        for metric in wanted
    }


def _beside(
    metric: Metric, target: str, before: Mapping[str, np.ndarray], after: Mapping[str, np.ndarray]
) -> MetricStatus:
    found = quality.METRICS[metric][1](before[metric], after[metric])
    change = found.after - found.before
    return MetricStatus(
        name=metric,
        target=target,
        input=rounded(found.before),
        output=rounded(found.after),
        delta=rounded(change),
        low=rounded(min(found.interval.low, change)),
        high=rounded(max(found.interval.high, change)),
        samples=len(after[metric]),
    )


def ratio(metric: Metric, target: str, before: float, after: float) -> MetricStatus:
    """A size beside the input model's."""
    found = rounded(after / before) if before else None
    return MetricStatus(name=metric, target=target, input=before, output=after, ratio=found)
