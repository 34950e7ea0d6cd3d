"""How results are measured, and what they have to reach."""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lathe_steps.base import Parameters, Rule
from lathe_steps.words import Name, TensorName


class Metric(StrEnum):
    """What is measured, on the input model and on each target's final file."""

    TOP1 = "Top1"
    """Share of samples whose largest output is the label."""
    ARGMAX_AGREEMENT = "ArgmaxAgreement"
    """Share of samples on which the largest output is the input model's; needs no labels."""
    SIZE_BYTES = "SizeBytes"
    """Bytes of all files that a user needs to load the model."""
    PARAMS = "Params"
    """Count of weights."""
    LATENCY_P50 = "LatencyP50"
    """Median time of one call with one sample, in milliseconds."""


QUALITY = frozenset({Metric.TOP1, Metric.ARGMAX_AGREEMENT})


class Gate(Parameters):
    """A bound on one metric, against the input model on the same runner and samples."""

    exactly_one_of: ClassVar = ("max_drop", "max_ratio", "min_speedup")
    rules: ClassVar = (
        Rule(
            "!has(self.maxDrop) || self.metric in ['Top1', 'ArgmaxAgreement']",
            "maxDrop is for Top1 and ArgmaxAgreement",
            lambda it: it.max_drop is None or it.metric in QUALITY,
        ),
        Rule(
            "!has(self.maxRatio) || !(self.metric in ['Top1', 'ArgmaxAgreement'])",
            "maxRatio is for SizeBytes, Params and LatencyP50",
            lambda it: it.max_ratio is None or it.metric not in QUALITY,
        ),
        Rule(
            "!has(self.minSpeedup) || self.metric == 'LatencyP50'",
            "minSpeedup is for LatencyP50",
            lambda it: it.min_speedup is None or it.metric is Metric.LATENCY_P50,
        ),
    )

    metric: Metric
    """What is bounded."""
    target: Name | None = None
    """The target that it is for; without it, every target on which the metric can be measured."""
    max_drop: Annotated[float, Field(ge=0, le=1)] | None = None
    """Most that quality may fall, in absolute terms: 0.01 is one percentage point."""
    max_ratio: Annotated[float, Field(gt=0, le=1000)] | None = None
    """Largest share of the input model's value."""
    min_speedup: Annotated[float, Field(gt=0, le=1000)] | None = None
    """The input model's latency over the result's, at least."""


class Evaluation(Parameters):
    """How the result is measured against the input model, and which gates it has to pass."""

    dataset: Name
    """Samples to measure on; kept apart from training and calibration."""
    metrics: Annotated[tuple[Metric, ...], Field(min_length=1, max_length=16)] = (
        Metric.ARGMAX_AGREEMENT,
        Metric.SIZE_BYTES,
        Metric.LATENCY_P50,
    )
    """What is measured; the metrics of gates are always included."""
    output: TensorName | None = None
    """The output that holds one score per class; without it, the model's first."""
    gates: Annotated[tuple[Gate, ...], Field(max_length=32)] = ()
    """What the result has to reach to be published."""
    on_failure: Literal["Fail", "Warn"] = "Fail"
    """Fail keeps the artifacts under rejected/ and ends the run as Failed; Warn publishes all the
    same, and says so."""
