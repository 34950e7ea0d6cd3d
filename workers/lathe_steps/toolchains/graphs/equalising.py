"""Cross-layer equalisation: channels of neighbouring layers get ranges of the same size.

After Nagel et al., Data-Free Quantization Through Weight Equalization and Bias Correction (2019):
where nothing but ReLU and pooling is between two layers, what one multiplies a channel by, the
other can divide it by. One scale for an activation, and for a weight, then serves all channels.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import numpy_helper

from lathe_steps.toolchains.graphs.layers import Layer, layers

_SCALES_PASS = frozenset(
    {
        "Relu",
        "LeakyRelu",
        "MaxPool",
        "AveragePool",
        "GlobalAveragePool",
        "GlobalMaxPool",
        "Dropout",
        "Identity",
    }
)
"""Operators that give k times as much when they are given k times as much, for k > 0."""
_FLATTENING = frozenset({"Flatten", "Reshape", "Squeeze"})
"""Operators after which a channel may be several columns side by side."""
UNEVEN = 32.0
"""How much a channel's scale may differ from the others' before they are equalised unasked."""
_FURTHEST = 1e6
"""A channel is rescaled by no more than this, so that nothing overflows."""
_ROUNDS = 20
_CLOSE = 1e-3


@dataclass(frozen=True, slots=True)
class Pair:
    """Two layers that share channels.

    Attributes:
        first: Makes the channels.
        second: Uses them, and nothing else does.
    """

    first: Layer
    second: Layer

    @property
    def name(self) -> str:
        """What people call it."""
        return f"{self.first.name} with {self.second.name}"


def pairs(graph: onnx.GraphProto) -> list[Pair]:
    """Find the pairs of layers that can be equalised, in the graph's order."""
    found = list(layers(graph))
    owners = {
        name: sum(name in n.input for n in graph.node)
        for each in found
        for name in (each.weight, each.bias)
        if name
    }
    alone = {
        each.name: each
        for each in found
        if owners[each.weight] == 1
        and owners.get(each.bias or "", 1) == 1
        and (each.bias or not each.node.input[2:])
    }
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    outputs = {info.name for info in graph.output}
    made = []
    for first in alone.values():
        second = alone.get(_next(graph, first.node.output[0], outputs))
        if second is not None and _share(first, second, shapes):
            made.append(Pair(first, second))
    return made


def _next(graph: onnx.GraphProto, tensor: str, outputs: set[str]) -> str:
    """Name of the layer that alone uses a tensor, behind operators that scales pass."""
    while tensor not in outputs:
        users = [node for node in graph.node if tensor in node.input]
        if len(users) != 1 or users[0].input[0] != tensor:
            return ""
        user = users[0]
        if user.op_type not in _SCALES_PASS | _FLATTENING:
            return str(user.name)
        tensor = user.output[0]
    return ""


def _share(first: Layer, second: Layer, shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether the channels that one gives are those that the other takes."""
    if first.groups > 1 and first.node.op_type == "ConvTranspose":
        return False
    gives = shapes[first.weight][first.gives]
    takes = shapes[second.weight][second.takes]
    if second.node.op_type == "ConvTranspose":
        return second.groups == 1 and takes == gives
    if second.node.op_type == "Conv":
        return takes * second.groups == gives
    if first.node.op_type in {"Gemm", "MatMul"}:
        return takes == gives
    return takes % gives == 0


def unevenness(graph: onnx.GraphProto, pair: Pair) -> float:
    """How much larger the weights of one channel are than is usual, in either of the layers."""
    first, second = (_values(graph, each.weight) for each in (pair.first, pair.second))
    made = _made(first, pair.first)
    used = _used(np.abs(second), len(made), pair.second)
    return max(_standing_out(made), _standing_out(used))


def _standing_out(sizes: np.ndarray) -> float:
    alive = sizes[sizes > 0]
    return float(alive.max() / np.median(alive)) if alive.size else 1.0


def equalise(graph: onnx.GraphProto, chosen: Sequence[Pair]) -> None:
    """Rescale the channels of pairs, in place, over and over until none changes any more."""
    names = {name for pair in chosen for name in _tensors(pair)}
    values = {name: _values(graph, name) for name in names}
    for _ in range(_ROUNDS):
        if all([_settled(values, pair) for pair in chosen]):  # noqa: C419 - each does something
            break
    for tensor in graph.initializer:
        if tensor.name in values:
            data = values[tensor.name].astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(data, tensor.name))


def _tensors(pair: Pair) -> Iterator[str]:
    yield from (pair.first.weight, pair.second.weight)
    if pair.first.bias:
        yield pair.first.bias


def _values(graph: onnx.GraphProto, name: str) -> np.ndarray:
    tensor = next(each for each in graph.initializer if each.name == name)
    return numpy_helper.to_array(tensor).astype(np.float64)


def _settled(values: dict[str, np.ndarray], pair: Pair) -> bool:
    """Rescale one pair, and say whether that changed nothing to speak of."""
    first, second = values[pair.first.weight], values[pair.second.weight]
    scales = _scales(first, second, pair)
    values[pair.first.weight] = first / _along(scales, first.ndim, pair.first.gives)
    if pair.first.bias:
        values[pair.first.bias] = values[pair.first.bias] / scales
    values[pair.second.weight] = _multiplied(second, scales, pair.second)
    return bool(np.abs(np.log(scales)).max() < _CLOSE)


def _scales(first: np.ndarray, second: np.ndarray, pair: Pair) -> np.ndarray:
    """What each channel is divided by; 1 for one that nothing makes or nothing uses."""
    made = _made(first, pair.first)
    used = _used(np.abs(second), len(made), pair.second)
    alive = (made > 0) & (used > 0)
    ratio = np.sqrt(np.divide(made, used, out=np.ones_like(made), where=alive))
    ratio = np.where(alive, ratio, 1.0)
    middle = np.median(ratio[alive]) if alive.any() else 1.0
    return np.where(alive, np.clip(ratio, middle / _FURTHEST, middle * _FURTHEST), 1.0)


def _made(first: np.ndarray, layer: Layer) -> np.ndarray:
    """The largest weight that makes each channel."""
    axes = tuple(axis for axis in range(first.ndim) if axis != layer.gives)
    sizes: np.ndarray = np.abs(first).max(axis=axes)
    return sizes


def _used(second: np.ndarray, channels: int, layer: Layer) -> np.ndarray:
    """The largest weight on each channel."""
    if layer.node.op_type == "Conv":
        grouped = second.reshape(layer.groups, second.shape[0] // layer.groups, *second.shape[1:])
        axes = (1, *range(3, grouped.ndim))
        most: np.ndarray = grouped.max(axis=axes).reshape(channels)
        return most
    moved = np.moveaxis(second, layer.takes, 0)
    largest: np.ndarray = moved.reshape(channels, -1).max(axis=1)
    return largest


def _multiplied(second: np.ndarray, scales: np.ndarray, layer: Layer) -> np.ndarray:
    if layer.node.op_type == "Conv":
        rows, columns = second.shape[0] // layer.groups, second.shape[1]
        by_row = np.repeat(scales.reshape(layer.groups, columns), rows, axis=0)
        factors = by_row.reshape(*by_row.shape, *(1,) * (second.ndim - 2))
    else:
        each = np.repeat(scales, second.shape[layer.takes] // len(scales))
        factors = _along(each, second.ndim, layer.takes)
    product: np.ndarray = second * factors
    return product


def _along(values: np.ndarray, rank: int, axis: int) -> np.ndarray:
    shape = [1] * rank
    shape[axis] = -1
    return values.reshape(shape)
