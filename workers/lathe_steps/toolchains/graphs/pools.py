"""Means over images, written as the pooling that has an 8-bit kernel."""

import numpy as np
import onnx
from onnx import helper, numpy_helper

_IMAGE = 4
_ACROSS = [2, 3]


def pool(model: onnx.ModelProto) -> bool:
    """Write every ReduceMean over height and width as a GlobalAveragePool, in place.

    Exporters write the former, which ONNX Runtime computes in floating point alone.

    Returns:
        Whether there was one.
    """
    graph = model.graph
    infos = (*graph.value_info, *graph.input)
    ranks = {info.name: len(info.type.tensor_type.shape.dim) for info in infos}
    constants = {tensor.name: tensor for tensor in graph.initializer}
    nodes: list[onnx.NodeProto] = []
    changed = False
    for node in graph.node:
        fits = node.op_type == "ReduceMean" and ranks.get(node.input[0]) == _IMAGE
        made = _pooled(node, constants) if fits else [node]
        changed |= made[0] is not node
        nodes += made
    del graph.node[:]
    graph.node.extend(nodes)
    return changed


def _pooled(node: onnx.NodeProto, constants: dict[str, onnx.TensorProto]) -> list[onnx.NodeProto]:
    given = {each.name: helper.get_attribute_value(each) for each in node.attribute}
    axes = list(given.get("axes", ()))
    if len(node.input) > 1 and node.input[1] in constants:
        axes = numpy_helper.to_array(constants[node.input[1]]).tolist()
    if sorted(np.array(axes, int) % _IMAGE) != _ACROSS:
        return [node]
    result = node.output[0]
    if given.get("keepdims", 1):
        return [helper.make_node("GlobalAveragePool", [node.input[0]], [result], node.name)]
    inner = f"{result}/pooled"
    return [
        helper.make_node("GlobalAveragePool", [node.input[0]], [inner], node.name),
        helper.make_node("Flatten", [inner], [result], f"{node.name}/Flatten"),
    ]
