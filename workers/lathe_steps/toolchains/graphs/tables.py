"""Large constants that are looked up, added or multiplied, in 8 bits: embeddings, positions."""

from collections.abc import Collection

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from lathe_steps.toolchains.graphs.rounding import grid, steps

_LARGE = 4096
"""Elements from which it pays."""
_USERS = frozenset({"Add", "Sub", "Mul"})


def shrink(model: onnx.ModelProto, exclude: Collection[str]) -> int:
    """Store large tables in 8 bits, with a scale for each row, and widen them while running.

    Args:
        model: Changed in place; its operator set has scales by row.
        exclude: Names of nodes whose tables stay as they are.

    Returns:
        How many tables there were.
    """
    graph = model.graph
    tables = [tensor for tensor in graph.initializer if _is_large(tensor)]
    pairs = []
    for tensor in tables:
        users = [node for node in graph.node if tensor.name in node.input]
        if all(node.op_type in _USERS and node.name not in exclude for node in users):
            pairs.append(_stored(graph, tensor))
    nodes = [*pairs, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
    return len(pairs)


def _is_large(tensor: onnx.TensorProto) -> bool:
    size = int(np.prod(tensor.dims)) if tensor.dims else 0
    return tensor.data_type == TensorProto.FLOAT and len(tensor.dims) > 1 and size >= _LARGE


def shrink_lookups(model: onnx.ModelProto, exclude: Collection[str]) -> int:
    """Store large embeddings in 8 bits, with a scale for each row, and widen the rows looked up.

    Args:
        model: Changed in place.
        exclude: Names of nodes whose tables stay as they are.

    Returns:
        How many tables there were.
    """
    graph = model.graph
    chosen: dict[str, onnx.TensorProto] = {}
    for tensor in graph.initializer:
        users = [node for node in graph.node if tensor.name in node.input]
        if _is_large(tensor) and all(
            node.op_type == "Gather" and not _axis(node) and node.name not in exclude
            for node in users
        ):
            chosen[tensor.name] = tensor
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        nodes += _looked_up(node) if node.input and node.input[0] in chosen else [node]
    for tensor in chosen.values():
        _store(graph, tensor, 0)
    del graph.node[:]
    graph.node.extend(nodes)
    return len(chosen)


def _axis(node: onnx.NodeProto) -> int:
    return next((each.i for each in node.attribute if each.name == "axis"), 0)


def _looked_up(node: onnx.NodeProto) -> list[onnx.NodeProto]:
    """The rows, and what they are multiplied by, which has an axis of one for each row."""
    table, indices = node.input[:2]
    result = node.output[0]
    whole, wide, step = f"{result}/whole", f"{result}/wide", f"{result}/step"
    return [
        helper.make_node("Gather", [f"{table}/whole", indices], [whole], node.name),
        helper.make_node("Cast", [whole], [wide], f"{node.name}/Cast", to=TensorProto.FLOAT),
        helper.make_node("Gather", [f"{table}/step", indices], [step], f"{node.name}/step"),
        helper.make_node("Mul", [wide, step], [result], f"{node.name}/Mul"),
    ]


def _stored(graph: onnx.GraphProto, tensor: onnx.TensorProto) -> onnx.NodeProto:
    name, axis = tensor.name, len(tensor.dims) - 2
    scale = _store(graph, tensor, axis)
    scale.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(scale).ravel(), scale.name))
    inputs = [tensor.name, scale.name]
    return helper.make_node("DequantizeLinear", inputs, [name], f"{name}/wide", axis=axis)


def _store(graph: onnx.GraphProto, tensor: onnx.TensorProto, axis: int) -> onnx.TensorProto:
    """Round in place, to `<name>/whole`; returns the scales, `<name>/step`, of the same rank."""
    values, name = numpy_helper.to_array(tensor), tensor.name
    onto = grid(8, signed=True, symmetric=True)
    shared = tuple(i for i in range(values.ndim) if i != axis)
    low, high = values.min(axis=shared, keepdims=True), values.max(axis=shared, keepdims=True)
    scale, _ = steps(low, high, onto)
    whole = np.clip(np.rint(values / scale), onto.least, onto.most).astype(np.int8)
    tensor.CopyFrom(numpy_helper.from_array(whole, f"{name}/whole"))
    scales: onnx.TensorProto = graph.initializer.add()
    scales.CopyFrom(numpy_helper.from_array(scale, f"{name}/step"))
    return scales
