"""The places of a graph where quantisation rounds, and what leaves 8 bits with each of them."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import onnx

from lathe_steps.toolchains.graphs.layers import Layer, layers

_COMPUTE = frozenset(
    {
        "Conv",
        "ConvTranspose",
        "Gemm",
        "MatMul",
        "Add",
        "Mul",
        "Concat",
        "AveragePool",
        "GlobalAveragePool",
        "LeakyRelu",
        "Sigmoid",
        "Softmax",
    }
)
"""Operators that compute in 8 bits what they are given in 8 bits."""
_PASS = frozenset(
    {
        "Relu",
        "Clip",
        "MaxPool",
        "Reshape",
        "Flatten",
        "Squeeze",
        "Unsqueeze",
        "Transpose",
        "Split",
        "Pad",
        "Resize",
    }
)
"""Operators that are in 8 bits only where what they are given is."""


@dataclass(frozen=True, slots=True)
class Place:
    """A tensor that is rounded.

    Attributes:
        tensor: Its name.
        layer: The layer whose weight it is; None for an activation.
        nodes: Names of the nodes that have to stay in floating point for it not to be rounded:
            the layer, or all that make and use the activation.
    """

    tensor: str
    layer: Layer | None
    nodes: tuple[str, ...]

    @property
    def label(self) -> str:
        """What people call it."""
        return f"weights of {self.nodes[0]}" if self.layer else f"output of {self.nodes[0]}"


def places(graph: onnx.GraphProto, ranges: Collection[str], kept: Collection[str]) -> list[Place]:
    """Find them, in the graph's order.

    Args:
        graph: Its main nodes have names.
        ranges: Names of the activations with a calibrated range; others are not rounded.
        kept: Names of nodes that stay in floating point anyway.
    """
    wide = set(kept)
    found = [
        Place(each.weight, each, (each.name,)) for each in layers(graph) if each.name not in wide
    ]
    makers = {name: node for node in graph.node for name in node.output}
    outputs = {info.name for info in graph.output}
    for name in ranges:
        users = [n for n in graph.node if name in n.input and n.op_type in _COMPUTE]
        maker = makers.get(name)
        if users or (name in outputs and maker is not None and maker.op_type in _COMPUTE):
            nodes = (*_made_by(name, makers), *(user.name for user in users))
            if not wide.issuperset(nodes):
                found.append(Place(name, None, tuple(dict.fromkeys(nodes))))
    return found


def _made_by(name: str, makers: dict[str, onnx.NodeProto]) -> Iterator[str]:
    """The node that computes a tensor first, then those that only pass it on."""
    passed: list[str] = []
    while (maker := makers.get(name)) is not None:
        passed.append(maker.name)
        if maker.op_type not in _PASS:
            break
        name = maker.input[0]
    yield from reversed(passed)
