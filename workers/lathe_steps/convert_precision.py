"""Converting an ONNX graph to 16-bit floating point."""

from dataclasses import replace
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lathe_steps.base import Artifact, Context, Format, Parameters, Rule, Step
from lathe_steps.errors import InvalidSpec
from lathe_steps.words import Glob, Name


class Watching(Parameters):
    """Samples that show which values do not fit into 16 bits."""

    dataset: Name
    """Data set to run; it needs no labels. Must differ from the evaluation's."""
    samples: Annotated[int, Field(ge=1, le=1_000_000)] = 64
    """How many samples, spread evenly over the data set."""


class ConvertPrecision(Step):
    """Store and compute in 16 bits; engines take their precision from the graph."""

    reads: ClassVar = Format.ONNX
    writes: ClassVar = Format.ONNX
    rules: ClassVar = (
        Rule(
            "!has(self.dtype) || self.dtype == 'FP16' || !has(self.calibration)",
            "calibration is for FP16: BF16 holds all values that 32 bits hold",
            lambda it: it.dtype == "FP16" or it.calibration is None,
        ),
    )

    dtype: Literal["FP16", "BF16"] = "FP16"
    """Type of weights and activations."""
    keep_io_types: bool = True
    """Keep the model's inputs and outputs as they are, and convert inside."""
    exclude: Annotated[tuple[Glob, ...], Field(max_length=64)] = ()
    """Nodes that stay in 32 bits, by name."""
    calibration: Watching | None = None
    """Samples to run in 32 bits first: nodes with values beyond 65504, or none above 0.00006,
    stay there."""

    def dataset_names(self) -> tuple[str, ...]:
        """Names of the data sets that the step needs."""
        return (self.calibration.dataset,) if self.calibration else ()

    def apply(self, artifact: Artifact, context: Context) -> Artifact:
        """Convert, and check on random inputs that nothing overflows.

        Facts: nodes in 16 and in 32 bits, those that stay there because of their values, and the
        largest relative difference of the outputs.

        Raises:
            InvalidSpec: When an entry of exclude matches nothing, when the model is quantised, or
                when BF16 is asked for ONNX Runtime, whose CPU kernels do not have it.
            Internal: UnsupportedModel or ConversionMismatch.
        """
        from lathe_steps.toolchains.graphs import sixteen_bits
        from lathe_steps.toolchains.graphs.calibration import minima_and_maxima

        if self.dtype == "BF16" and any(r.name == "ONNXRuntime" for r in context.runtimes):
            raise InvalidSpec(
                "convertPrecision.dtype: ONNX Runtime has no BF16 on CPUs; choose FP16, or move "
                "the step into the steps of another target"
            )
        work = sixteen_bits.Work(dtype=self.dtype, keep_io=self.keep_io_types, exclude=self.exclude)
        if (asked := self.calibration) is not None:
            dataset = context.datasets[asked.dataset]
            work = replace(work, sampling=minima_and_maxima(dataset, asked.samples))
        return sixteen_bits.convert(
            artifact, context.out, work, threads=context.threads, progress=context.progress
        )
