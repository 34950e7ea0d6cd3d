"""Which nodes have values that half precision cannot hold."""

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from lathe_steps.toolchains.graphs.calibration import Ranges

_LARGEST = float(np.finfo(np.float16).max)
_SMALLEST = float(np.finfo(np.float16).tiny)
"""Below it the spacing of half precision no longer shrinks with the value."""


def unfit(model: onnx.ModelProto, ranges: Ranges) -> list[str]:
    """Names of the nodes that make or use values which overflow, or all of which underflow.

    Args:
        model: With its weights, which are looked at too.
        ranges: Lowest and highest values of activations.
    """
    tensors = {name for name, ends in ranges.items() if _overflows(*ends)}
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            values = numpy_helper.to_array(tensor)
            finite = values[np.isfinite(values)]
            if finite.size and _overflows(float(finite.min()), float(finite.max())):
                tensors.add(tensor.name)
    return [n.name for n in model.graph.node if tensors.intersection((*n.input, *n.output))]


def _overflows(low: float, high: float) -> bool:
    largest = max(-low, high)
    return largest > _LARGEST or 0 < largest < _SMALLEST
