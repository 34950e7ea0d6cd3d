"""Export from torch to ONNX."""

from typing import Annotated, ClassVar

from pydantic import Field

from lathe_steps.base import Format, Step


class Export(Step):
    """Write the model as ONNX, and compare its outputs with torch's."""

    reads: ClassVar = Format.TORCH
    writes: ClassVar = Format.ONNX

    opset: Annotated[int, Field(ge=17, le=24)] = 18
    """Version of the ONNX operator set."""
    tolerance: Annotated[float, Field(gt=0, le=1)] = 1e-3
    """Largest difference from torch's outputs, relative to their largest value."""
