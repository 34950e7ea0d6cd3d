"""GELU in the order of operations that ONNX Runtime fuses into one kernel."""

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import numpy_helper

_HALF = 0.5


def reorder(graph: onnx.GraphProto) -> int:
    """Write x (½ (1 + erf(x/√2))) as ½ (x (1 + erf(x/√2))), in place.

    Exporters write the former; the product is the same.

    Returns:
        How many there were.
    """
    constants = {tensor.name: tensor for tensor in graph.initializer}
    makers = {name: node for node in graph.node for name in node.output}
    users: dict[str, int] = {}
    for node in graph.node:
        for name in node.input:
            users[name] = users.get(name, 0) + 1
    found = 0
    for outer in (node for node in graph.node if node.op_type == "Mul"):
        for position in (0, 1):
            inner = makers.get(outer.input[position])
            if inner is None or users[inner.output[0]] != 1:
                continue
            if (half := _half_of_erf(inner, constants, makers)) is not None:
                x, plus = outer.input[1 - position], inner.input[1 - half]
                constant = inner.input[half]
                inner.input[:] = [x, plus]
                outer.input[:] = [inner.output[0], constant]
                found += 1
                break
    return found


def _half_of_erf(
    node: onnx.NodeProto,
    constants: Mapping[str, onnx.TensorProto],
    makers: Mapping[str, onnx.NodeProto],
) -> int | None:
    """Which input of a product is the constant ½, when the other is 1 + erf(…)."""
    if node.op_type != "Mul":
        return None
    for position in (0, 1):
        half, plus = node.input[position], makers.get(node.input[1 - position])
        if half in constants and plus is not None and plus.op_type == "Add":
            values = numpy_helper.to_array(constants[half])
            inner = [makers[name].op_type for name in plus.input if name in makers]
            if values.size == 1 and np.all(values == _HALF) and "Erf" in inner:
                return position
    return None
