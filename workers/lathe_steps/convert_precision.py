"""Converting an ONNX graph to 16-bit floating point."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lathe_steps.base import Artifact, Context, Format, Step
from lathe_steps.errors import InvalidSpec
from lathe_steps.words import Glob


class ConvertPrecision(Step):
    """Store and compute in 16 bits; engines take their precision from the graph."""

    reads: ClassVar = Format.ONNX
    writes: ClassVar = Format.ONNX

    dtype: Literal["FP16", "BF16"] = "FP16"
    """Type of weights and activations."""
    keep_io_types: bool = True
    """Keep the model's inputs and outputs as they are, and convert inside."""
    exclude: Annotated[tuple[Glob, ...], Field(max_length=64)] = ()
    """Nodes that stay in 32 bits, by name."""

    def apply(self, artifact: Artifact, context: Context) -> Artifact:
        """Convert, and check on random inputs that nothing overflows.

        Facts: nodes in 16 and in 32 bits, and the largest relative difference of the outputs.

        Raises:
            InvalidSpec: When an entry of exclude matches nothing, when the model is quantised, or
                when BF16 is asked for ONNX Runtime, whose CPU kernels do not have it.
            Internal: UnsupportedModel or ConversionMismatch.
        """
        from lathe_steps.toolchains.graphs import sixteen_bits

        if self.dtype == "BF16" and any(r.name == "ONNXRuntime" for r in context.runtimes):
            raise InvalidSpec(
                "convertPrecision.dtype: ONNX Runtime has no BF16 on CPUs; choose FP16, or move "
                "the step into the steps of another target"
            )
        return sixteen_bits.convert(
            artifact,
            context.out,
            self.dtype,
            keep_io=self.keep_io_types,
            exclude=self.exclude,
            threads=context.threads,
        )
