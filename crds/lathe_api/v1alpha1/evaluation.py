"""How results are measured, and what they have to reach."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lathe_steps.base import Parameters, Rule
from lathe_steps.words import Name, TensorName


class Metric(StrEnum):
    """What is measured, on the input model and on each target's final file."""

    TOP1 = "Top1"
    """Share of labels that the largest score hits: of samples, or of their positions where labels
    have the shape [samples, positions]; labels below 0 do not count."""
    TOP5 = "Top5"
    """Share of labels that are among the five largest scores."""
    F1 = "F1"
    """Mean over all classes of their F1 scores (macro); counted as Top1 is."""
    ARGMAX_AGREEMENT = "ArgmaxAgreement"
    """Share of samples on which the largest output is the input model's; needs no labels."""
    COSINE = "Cosine"
    """Mean cosine of the angle between each sample's output and the input model's; needs no
    labels."""
    R2 = "R2"
    """Share of the labels' variance that the output explains: 1 is perfect, the mean has 0."""
    MAE = "MAE"
    """Mean distance of the output from the label, in the label's unit."""
    RMSE = "RMSE"
    """Square root of the mean squared distance of the output from the label, in its unit."""
    SIZE_BYTES = "SizeBytes"
    """Bytes of all files that a user needs to load the model."""
    PARAMS = "Params"
    """Count of weights."""
    MACS = "MACs"
    """Multiplications with an addition of one call with one sample, in convolutions, matrix
    products and recurrent layers."""
    PEAK_MEMORY = "PeakMemory"
    """Bytes that loading the model and one call add to a process, at most at a time; the ten
    megabytes that ONNX Runtime takes for itself count."""
    LATENCY_P50 = "LatencyP50"
    """Median time of one call, in milliseconds."""
    LATENCY_P95 = "LatencyP95"
    """Time that 95 % of calls do not exceed, in milliseconds."""
    LATENCY_P99 = "LatencyP99"
    """Time that 99 % of calls do not exceed, in milliseconds."""
    CPU_TIME = "CPUTime"
    """Median CPU time of one call, all threads together, in milliseconds."""
    THROUGHPUT = "Throughput"
    """Samples per second, in calls with many samples."""


SHARES = frozenset({Metric.TOP1, Metric.TOP5, Metric.F1, Metric.ARGMAX_AGREEMENT})
"""Quality between 0 and 1, which people read as percentages."""
SCORES = SHARES | {Metric.COSINE, Metric.R2}
"""Quality of which more is better."""
ERRORS = frozenset({Metric.MAE, Metric.RMSE})
"""Quality of which less is better, in the unit of the labels."""
QUALITY = SCORES | ERRORS
"""What is compared by its difference; the others by their ratio."""
LABELLED = QUALITY - {Metric.ARGMAX_AGREEMENT, Metric.COSINE}
"""What needs labels."""
SIZES = frozenset({Metric.SIZE_BYTES, Metric.PARAMS, Metric.MACS, Metric.PEAK_MEMORY})
"""What a model takes, whatever the machine."""
LATENCIES = frozenset({Metric.LATENCY_P50, Metric.LATENCY_P95, Metric.LATENCY_P99})
"""Times of single calls, by the clock on the wall."""
TIMES = LATENCIES | {Metric.CPU_TIME}
"""Milliseconds of single calls."""
SPEEDS = TIMES | {Metric.THROUGHPUT}
"""What depends on the machine and is measured in turns."""


def _among(metrics: Iterable[Metric]) -> str:
    """That a gate's metric is one of these, as CEL says it."""
    return f"self.metric in {sorted(metric.value for metric in metrics)}"


def _for(bound: str, metrics: frozenset[Metric]) -> Rule:
    """A bound is for these metrics only."""
    field = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in bound)
    names = [metric.value for metric in Metric if metric in metrics]
    return Rule(
        f"!has(self.{bound}) || {_among(metrics)}",
        f"{bound} is for {', '.join(names[:-1])} and {names[-1]}",
        lambda it: getattr(it, field) is None or it.metric in metrics,
    )


class Gate(Parameters):
    """A bound on one metric, absolute or against the input model on the same runner and samples."""

    exactly_one_of: ClassVar = (
        "min",
        "max",
        "max_drop",
        "max_relative_drop",
        "max_rise",
        "max_ratio",
        "min_speedup",
    )
    rules: ClassVar = (
        _for("min", SCORES | {Metric.THROUGHPUT}),
        _for("max", ERRORS | SIZES | TIMES),
        _for("maxDrop", SCORES),
        _for("maxRelativeDrop", SCORES),
        _for("maxRise", ERRORS),
        _for("maxRatio", ERRORS | SIZES | TIMES),
        _for("minSpeedup", SPEEDS),
        Rule(
            "!has(self.confidence) || self.confidence == 'Point' "
            "|| !(has(self.min) || has(self.max))",
            "confidence: UpperBound is for bounds against the input model",
            lambda it: it.confidence == "Point" or (it.min is None and it.max is None),
        ),
    )

    metric: Metric
    """What is bounded."""
    target: Name | None = None
    """The target that it is for; without it, every target on which the metric can be measured."""
    min: Annotated[float, Field(ge=-1, le=1e15)] | None = None
    """Least value of the result, whatever the input model's: for quality of which more is better,
    and for Throughput."""
    max: Annotated[float, Field(ge=0, le=1e15)] | None = None
    """Largest value of the result, whatever the input model's: for errors, sizes and times."""
    max_drop: Annotated[float, Field(ge=0, le=1)] | None = None
    """Most that quality may fall, in absolute terms: 0.01 is one percentage point."""
    max_relative_drop: Annotated[float, Field(ge=0, le=1)] | None = None
    """Most that quality may fall, as a share of the input model's: 0.01 lets 0.80 become 0.792."""
    max_rise: Annotated[float, Field(ge=0, le=1e15)] | None = None
    """Most that an error may rise, in the unit of the labels."""
    max_ratio: Annotated[float, Field(gt=0, le=1000)] | None = None
    """Largest share of the input model's value: of its size, time or error."""
    min_speedup: Annotated[float, Field(gt=0, le=1000)] | None = None
    """How many times as fast as the input model the result is, at least."""
    confidence: Literal["Point", "UpperBound"] = "Point"
    """What is held against the bound. Point: the figure itself, unless the samples cannot tell
    (InsufficientSamples). UpperBound: the worse end of its 95 % interval, so that one can be sure;
    sizes are exact."""


class Latency(Parameters):
    """How single calls are timed: in turns with the input model, on as many CPUs as threads."""

    threads: Annotated[int, Field(ge=1, le=1024)] | None = None
    """CPU threads of each call; without it, those of the run."""
    batch: Annotated[int, Field(ge=1, le=65536)] = 1
    """Samples of each call, for models that take any number of them."""
    seconds: Annotated[float, Field(ge=0.1, le=3600)] = 2.0
    """How long each model is timed, at least."""
    min_calls: Annotated[int, Field(ge=25, le=1_000_000)] = 25
    """How many calls of each model are timed, at least; LatencyP95 takes 75 and LatencyP99 370,
    fewer cannot show them."""


class Throughput(Parameters):
    """How Throughput is measured."""

    batch: Annotated[int, Field(ge=1, le=65536)] = 32
    """Samples of each call, for models that take any number of them."""


class Measures(Parameters):
    """What is measured and what it has to reach; a profile may say so for many resources."""

    metrics: Annotated[tuple[Metric, ...], Field(min_length=1, max_length=17)] = (
        Metric.ARGMAX_AGREEMENT,
        Metric.SIZE_BYTES,
        Metric.LATENCY_P50,
    )
    """What is measured; the metrics of gates are always included."""
    output: TensorName | None = None
    """The output that is compared, such as one score per class; without it, the model's first."""
    gates: Annotated[tuple[Gate, ...], Field(max_length=32)] = ()
    """What the result has to reach to be published."""
    latency: Latency = Latency()
    """How single calls are timed."""
    throughput: Throughput = Throughput()
    """How Throughput is measured."""
    path: Literal["Skip", "Quality", "Full"] = "Full"
    """What is measured after each step, on up to 2,000 samples, for the report's path from the
    input model to the result. Full: sizes, the first quality metric and LatencyP50. Quality: the
    same without times. Skip: nothing; models that are expensive to run or to export need not be."""
    on_failure: Literal["Fail", "Warn", "Rollback"] = "Fail"
    """Fail keeps the artifacts under rejected/ and ends the run as Failed; Warn publishes all the
    same, and says so. Rollback publishes instead, for each target that failed, the ONNX graph of
    the newest of its steps that passes every gate, and says which; where there is none, and for
    engines and archives, it is as Fail."""


class Evaluation(Measures):
    """How the result is measured against the input model, and which gates it has to pass."""

    dataset: Name
    """Samples to measure on; kept apart from training and calibration."""
