"""Converting an ONNX graph to 16-bit floating point."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lathe_steps.base import Format, Step
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
