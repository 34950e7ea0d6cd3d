"""The nodes of a graph that have weights, and how their channels lie in them."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import onnx

_PLAIN = 2
"""Axes of the weight of a matrix product."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A convolution or matrix product whose weight is an initialiser of the main graph.

    Attributes:
        name: The node's.
        weight: Name of its weight.
        bias: Name of its bias, when that is an initialiser.
        takes: Axis of the weight along which its input channels lie.
        gives: Axis of the weight along which its output channels lie.
        groups: Of a convolution; channels of a weight are counted within a group on one axis.
        node: The node.
    """

    name: str
    weight: str
    bias: str | None
    takes: int
    gives: int
    groups: int
    node: onnx.NodeProto = field(compare=False, repr=False)

    @property
    def input(self) -> str:
        """Name of the tensor that it computes on."""
        return str(self.node.input[0])


def layers(graph: onnx.GraphProto) -> Iterator[Layer]:
    """Find them, in the graph's order."""
    ranks = {t.name: len(t.dims) for t in graph.initializer}
    for node in graph.node:
        weight = node.input[1] if len(node.input) > 1 else ""
        if weight in ranks and (axes := _axes(node, ranks[weight])):
            third = node.input[2] if len(node.input) > _PLAIN else ""
            bias = third if third in ranks else None
            yield Layer(node.name, weight, bias, *axes, _integer(node, "group", 1), node)


def _axes(node: onnx.NodeProto, rank: int) -> tuple[int, int] | None:
    match node.op_type:
        case "Conv":
            return 1, 0
        case "ConvTranspose":
            return 0, 1
        case "Gemm" if not _integer(node, "transA", 0):
            return (1, 0) if _integer(node, "transB", 0) else (0, 1)
        case "MatMul" if rank == _PLAIN:
            return 0, 1
    return None


def _integer(node: onnx.NodeProto, name: str, default: int) -> int:
    return next((a.i for a in node.attribute if a.name == name), default)
