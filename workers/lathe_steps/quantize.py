"""Quantisation of an ONNX graph to 8 bits, lowered to what the target can use."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lathe_steps.base import Artifact, Context, Format, Parameters, Rule, Step
from lathe_steps.words import Glob, Name


class Calibration(Parameters):
    """Samples that show the range of each activation."""

    dataset: Name
    """Data set to calibrate on; it needs no labels. Must differ from the evaluation's."""
    samples: Annotated[int, Field(ge=1, le=1_000_000)] = 256
    """How many samples, spread evenly over the data set."""
    method: Literal["MinMax", "Entropy", "Percentile"] = "MinMax"
    """How a range is chosen from what was seen."""


class Quantize(Step):
    """Compute in 8-bit integers.

    Types, symmetry, bias and format follow the target's runtime and CPU unless they are given.
    """

    reads: ClassVar = Format.ONNX
    writes: ClassVar = Format.ONNX
    lowers: ClassVar = True
    rules: ClassVar = (
        Rule(
            "self.mode != 'Static' || has(self.calibration)",
            "mode Static needs calibration",
            lambda it: it.mode != "Static" or it.calibration is not None,
        ),
        Rule(
            "self.mode != 'Dynamic' || !has(self.calibration)",
            "mode Dynamic takes no calibration",
            lambda it: it.mode != "Dynamic" or it.calibration is None,
        ),
    )

    mode: Literal["Dynamic", "Static"]
    """Dynamic chooses activation ranges while running (for MatMul-heavy models); Static
    calibrates them once (for convolutions)."""
    calibration: Calibration | None = None
    """How activation ranges are found; for mode Static."""
    format: Literal["Auto", "QDQ", "QOperator"] = "Auto"
    """How the graph says it: quantise/dequantise pairs, or integer operators."""
    activations: Literal["Auto", "Int8", "UInt8"] = "Auto"
    """Type of activations."""
    weights: Literal["Auto", "Int8", "UInt8"] = "Auto"
    """Type of weights."""
    per_channel: bool = True
    """One scale per output channel of a weight instead of one per weight."""
    reduce_range: Literal["Auto", "Always", "Never"] = "Auto"
    """7-bit weights, for CPUs without VNNI, where 8 bits can saturate."""
    exclude: Annotated[tuple[Glob, ...], Field(max_length=64)] = ()
    """Nodes that stay in floating point, by name."""

    def dataset_names(self) -> tuple[str, ...]:
        """Names of the data sets that the step needs."""
        return (self.calibration.dataset,) if self.calibration else ()

    def apply(self, artifact: Artifact, context: Context) -> Artifact:
        """Quantise for the context's runtimes, and check that ONNX Runtime loads the result.

        Facts: samples seen, nodes in 8 bits and operators that stayed in floating point.

        Raises:
            InvalidSpec: When a runtime does not take what is asked for, when an entry of exclude
                matches nothing, or when the model is quantised already.
            BadInput: When the samples do not fit the model.
            Internal: UnsupportedModel, when the graph cannot be quantised.
        """
        from lathe_steps.toolchains.graphs import eight_bits
        from lathe_steps.toolchains.graphs.calibration import Sampling
        from lathe_steps.toolchains.graphs.lowering import Asked, form_for

        asked = Asked(self.mode, self.format, self.activations, self.weights, self.reduce_range)
        form = form_for(asked, context.runtimes)
        sampling = None
        if self.calibration is not None:
            sampling = Sampling(
                dataset=context.datasets[self.calibration.dataset],
                samples=self.calibration.samples,
                method=self.calibration.method,
                symmetric=form.symmetric,
            )
        work = eight_bits.Work(form, sampling, self.per_channel, self.exclude)
        return eight_bits.quantise(
            artifact, context.out, work, threads=context.threads, progress=context.progress
        )
