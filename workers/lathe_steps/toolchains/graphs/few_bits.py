"""Weights of few bits in blocks, computed with in floating point: 4 or 8 bits, weights alone."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

import ml_dtypes
import numpy as np
import onnx
from onnx import helper, numpy_helper

from lathe_steps.errors import InvalidSpec
from lathe_steps.toolchains.graphs.layers import Layer, layers
from lathe_steps.toolchains.graphs.rounding import Grid, grid, in_blocks

_MICROSOFT = "com.microsoft"
_BYTE = 8
_FAST = 4
"""MatMulNBits' accuracy_level at which it may round activations to 8 bits by block."""
BLOCKED_PAIRS = 21
"""The first operator set whose DequantizeLinear has blocks and 4-bit values."""


@dataclass(frozen=True, slots=True)
class Blocks:
    """How weights are rounded.

    Attributes:
        bits: 4 or 8.
        size: Weights in a block, which share a scale; along the input channels.
        symmetric: Whether blocks have no zero point.
        spelling: MatMulNBits, which ONNX Runtime alone knows; or DequantizeLinear before the
            product.
    """

    bits: Literal[4, 8]
    size: int
    symmetric: bool
    spelling: Literal["MatMulNBits", "QDQ"]

    @property
    def onto(self) -> Grid:
        """The numbers that weights become."""
        signed = self.spelling == "QDQ"
        onto = grid(self.bits, signed=signed, symmetric=self.symmetric)
        return onto if signed or not self.symmetric else Grid(1, onto.most, symmetric=True)


def matrices(graph: onnx.GraphProto) -> list[Layer]:
    """The layers whose weights can be rounded: matrix products, with a bias per column at most."""
    ranks = {tensor.name: len(tensor.dims) for tensor in graph.initializer}
    return [each for each in layers(graph) if _is_plain(each, ranks)]


def _is_plain(layer: Layer, ranks: Mapping[str, int]) -> bool:
    if layer.node.op_type == "MatMul":
        return True
    factors = [each.f for each in layer.node.attribute if each.name in {"alpha", "beta"}]
    third = layer.node.input[2:]
    flat = not third or (layer.bias is not None and ranks[layer.bias] == 1)
    return layer.node.op_type == "Gemm" and flat and all(factor == 1 for factor in factors)


def rounded(weight: np.ndarray, layer: Layer, blocks: Blocks) -> np.ndarray:
    """What the weight of a layer becomes, in its own shape."""
    matrix = weight if layer.takes == 0 else weight.T
    whole, scale, zero = in_blocks(matrix, blocks.size, blocks.onto)
    values = (whole - zero[:, None]) * scale[:, None]
    back = values.reshape(-1, matrix.shape[1])[: len(matrix)]
    found: np.ndarray = (back if layer.takes == 0 else back.T).astype(np.float32)
    return found


def quantise(model: onnx.ModelProto, blocks: Blocks, exclude: Collection[str]) -> None:
    """Round the weights of all matrix products but the excluded ones, in place.

    Raises:
        InvalidSpec: When there is none.
    """
    graph = model.graph
    chosen = {each.name: each for each in matrices(graph) if each.name not in exclude}
    if not chosen:
        raise InvalidSpec(
            "quantize.mode: the model has no matrix products with weights, which is all that "
            "WeightOnly makes smaller; use mode Static"
        )
    weights = {tensor.name: tensor for tensor in graph.initializer}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        layer = chosen.get(node.name)
        if layer is None:
            nodes.append(node)
            continue
        values = numpy_helper.to_array(weights[layer.weight])
        matrix = values if layer.takes == 0 else values.T
        spell = _as_product if blocks.spelling == "MatMulNBits" else _as_pair
        made, tensors = spell(layer, matrix, blocks)
        nodes += made
        known = {tensor.name for tensor in graph.initializer}
        graph.initializer.extend(t for t in tensors if t.name not in known)
    del graph.node[:]
    graph.node.extend(nodes)
    _drop_unused(graph)
    if blocks.spelling == "MatMulNBits" and not any(
        entry.domain == _MICROSOFT for entry in model.opset_import
    ):
        model.opset_import.append(helper.make_opsetid(_MICROSOFT, 1))


Made = tuple[list[onnx.NodeProto], list[onnx.TensorProto]]


def _as_product(layer: Layer, matrix: np.ndarray, blocks: Blocks) -> Made:
    """One MatMulNBits, with its bias within."""
    rows, columns = matrix.shape
    whole, scale, zero = in_blocks(matrix, blocks.size, blocks.onto)
    by_column = np.moveaxis(whole, 2, 0).astype(np.uint8)  # [columns, blocks, size]
    name = layer.weight
    tensors = [
        numpy_helper.from_array(_packed(by_column, blocks.bits), f"{name}/whole"),
        numpy_helper.from_array(scale.T.astype(matrix.dtype).ravel(), f"{name}/step"),
    ]
    zeros = ""
    if not blocks.symmetric:
        packed = _packed(zero.T.astype(np.uint8), blocks.bits)
        tensors.append(numpy_helper.from_array(packed.ravel(), f"{name}/zero"))
        zeros = f"{name}/zero"
    inputs = [layer.input, f"{name}/whole", f"{name}/step", zeros, "", layer.bias or ""]
    while not inputs[-1]:
        inputs.pop()
    node = helper.make_node(
        "MatMulNBits",
        inputs,
        list(layer.node.output),
        layer.name,
        domain=_MICROSOFT,
        K=rows,
        N=columns,
        bits=blocks.bits,
        block_size=blocks.size,
        accuracy_level=_FAST,
    )
    return [node], tensors


def _packed(values: np.ndarray, bits: int) -> np.ndarray:
    """Bytes of the numbers on the last axis; of two 4-bit numbers the first is the lower half."""
    if bits == _BYTE:
        return np.ascontiguousarray(values)
    if values.shape[-1] % 2:
        values = np.concatenate([values, np.zeros_like(values[..., :1])], axis=-1)
    return np.ascontiguousarray(values[..., ::2] | (values[..., 1::2] << 4))


def _as_pair(layer: Layer, matrix: np.ndarray, blocks: Blocks) -> Made:
    """The same node, with a DequantizeLinear before it."""
    whole, scale, zero = in_blocks(matrix, blocks.size, blocks.onto)
    element = np.int8 if blocks.bits == _BYTE else np.dtype(ml_dtypes.int4)
    stored = whole.reshape(-1, matrix.shape[1])[: len(matrix)].astype(element)
    if layer.takes:
        stored, scale, zero = stored.T, scale.T, zero.T
    name = layer.weight
    inputs = [f"{name}/whole", f"{name}/step"]
    arrays = [stored, scale.astype(matrix.dtype)]
    if not blocks.symmetric:
        inputs.append(f"{name}/zero")
        arrays.append(zero.astype(element))
    tensors = [
        numpy_helper.from_array(np.ascontiguousarray(array), each)
        for array, each in zip(arrays, inputs, strict=True)
    ]
    wide = f"{name}/wide"
    pair = helper.make_node(
        "DequantizeLinear",
        inputs,
        [wide],
        f"{layer.name}/DequantizeLinear",
        axis=layer.takes,
        block_size=blocks.size,
    )
    node = onnx.NodeProto()
    node.CopyFrom(layer.node)
    node.input[1] = wide
    return [pair, node], tensors


def _drop_unused(graph: onnx.GraphProto) -> None:
    used = {name for node in graph.node for name in node.input}
    used |= {info.name for info in graph.output}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
