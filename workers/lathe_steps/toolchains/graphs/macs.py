"""How many multiplications with an addition one call of a graph makes."""

import math
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx

from lathe_steps.base import Artifact
from lathe_steps.toolchains.graphs import files
from lathe_steps.toolchains.onnx_runtime import Session

Shapes = Mapping[str, tuple[int, ...]]

_WEIGHTS = {"QLinearConv": 3}
"""By kind of convolution, which input is its weights; 1 for the others."""
_CONVOLUTIONS = frozenset({"Conv", "ConvInteger", "QLinearConv", "FusedConv", "NhwcFusedConv"})
_PRODUCTS = frozenset(
    {
        "MatMul",
        "MatMulInteger",
        "QLinearMatMul",
        "DynamicQuantizeMatMul",
        "MatMulIntegerToFloat",
        "FusedMatMul",
        "Gemm",
        "QGemm",
        "FusedGemm",
    }
)
_UNKNOWN = frozenset(
    {
        "DecoderMaskedMultiHeadAttention",
        "DecoderMaskedSelfAttention",
        "GroupQueryAttention",
        "LinearAttention",
        "LongformerAttention",
        "MoE",
        "PackedAttention",
        "PackedMultiHeadAttention",
        "PagedAttention",
        "QMoE",
        "SparseAttention",
    }
)
"""Operators with products inside that are not counted here."""
_RECURRENT = frozenset({"LSTM", "GRU", "RNN"})


def count(artifact: Artifact, sample: Mapping[str, np.ndarray]) -> int | None:
    """Multiplications with an addition in convolutions, matrix products and recurrent layers.

    The shapes are those of a real call, so that operators of ONNX Runtime's own, which shape
    inference does not know, count too.

    Args:
        artifact: An ONNX artifact.
        sample: One call's inputs; the count is per sample.

    Returns:
        The count; None for a graph with products that cannot be counted: those in the bodies of
        loops and branches, whose number of turns nobody knows, and in rare fused operators.

    Raises:
        lathe_steps.errors.Internal: When the model cannot be loaded or run.
    """
    model = files.read(artifact.main, weights=False)
    if any(_uncountable(graph, within=graph is not model.graph) for graph in files.graphs(model)):
        return None
    nodes = [node for node in model.graph.node if node.op_type in _COUNTED]
    shapes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    shapes |= {name: array.shape for name, array in sample.items()}
    wanted = {name for node in nodes for name in (*node.input, node.output[0]) if name}
    shapes |= _shapes(model, artifact, wanted - set(shapes), sample)
    samples = len(next(iter(sample.values())))
    return sum(_COUNTED[node.op_type](node, shapes) for node in nodes) // samples


def _uncountable(graph: onnx.GraphProto, *, within: bool) -> bool:
    """Whether a graph has products that cannot be counted; `within` another, none can."""
    for node in graph.node:
        if node.op_type in _UNKNOWN or (within and node.op_type in _COUNTED):
            return True
        if node.op_type == "Einsum" and "." in _equation(node):
            return True
    return False


def _shapes(
    model: onnx.ModelProto, artifact: Artifact, names: set[str], sample: Mapping[str, np.ndarray]
) -> Shapes:
    """Shapes of what is computed between the nodes of a graph, in one call."""
    known = {info.name for info in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in sorted(names - known))
    with TemporaryDirectory() as folder:
        for file in artifact.path.iterdir():
            if file != artifact.main:
                _put(file, Path(folder) / file.name)
        watched = replace(artifact, path=Path(folder))
        watched.main.write_bytes(model.SerializeToString())
        found = Session(watched, threads=1).run(sample)
    return {name: found[name].shape for name in names}


def _put(file: Path, place: Path) -> None:
    """Let a file be at another place too, without copying it where the disk can do that."""
    try:
        os.link(file, place)
    except OSError:
        shutil.copyfile(file, place)


def _convolution(node: onnx.NodeProto, shapes: Shapes) -> int:
    weights = shapes[node.input[_WEIGHTS.get(node.op_type, 1)]]
    return math.prod(shapes[node.output[0]]) * math.prod(weights[1:])


def _transposed(node: onnx.NodeProto, shapes: Shapes) -> int:
    return math.prod(shapes[node.input[0]]) * math.prod(shapes[node.input[1]][1:])


def _product(node: onnx.NodeProto, shapes: Shapes) -> int:
    """Each element of the result is a sum over the inner axis, which is the first factor's last."""
    first = shapes[node.input[0]]
    transposed = _attribute(node, "transA", 0)
    inner = first[-2 if transposed and len(first) > 1 else -1]
    return math.prod(shapes[node.output[0]]) * inner


def _few_bits(node: onnx.NodeProto, shapes: Shapes) -> int:
    return math.prod(shapes[node.output[0]]) * _attribute(node, "K", 0)


def _recurrent(node: onnx.NodeProto, shapes: Shapes) -> int:
    steps = math.prod(shapes[node.input[0]][:2])
    return steps * sum(math.prod(shapes[name]) for name in node.input[1:3])


def _attention(node: onnx.NodeProto, shapes: Shapes) -> int:
    """The projections of queries, keys and values; then scores, and what they weigh."""
    samples, positions, _ = shapes[node.input[0]]
    weights = shapes[node.input[1]]
    width = shapes[node.output[0]][-1]
    scored = 2 * samples * positions * positions * width
    return samples * positions * math.prod(weights) + scored


def _many_heads(node: onnx.NodeProto, shapes: Shapes) -> int:
    """Scores of each query for each key, and the values that they weigh."""
    samples, queries, width = shapes[node.input[0]]
    keys = shapes[node.input[1]][1]
    return samples * queries * keys * (width + shapes[node.output[0]][-1])


def _einsum(node: onnx.NodeProto, shapes: Shapes) -> int:
    """One multiplication for each value of all indices together."""
    terms = _equation(node).partition("->")[0].replace(" ", "").split(",")
    sizes = {
        index: size
        for term, name in zip(terms, node.input, strict=True)
        for index, size in zip(term, shapes[name], strict=True)
    }
    return math.prod(sizes.values()) if len(terms) > 1 else 0


def _equation(node: onnx.NodeProto) -> str:
    found = next(each.s for each in node.attribute if each.name == "equation")
    return bytes(found).decode()


def _attribute(node: onnx.NodeProto, name: str, default: int) -> int:
    return next((each.i for each in node.attribute if each.name == name), default)


_COUNTED: Mapping[str, Callable[[onnx.NodeProto, Shapes], int]] = {
    **dict.fromkeys(_CONVOLUTIONS, _convolution),
    **dict.fromkeys(_PRODUCTS, _product),
    **dict.fromkeys(_RECURRENT, _recurrent),
    "Attention": _attention,
    "QAttention": _attention,
    "MultiHeadAttention": _many_heads,
    "Einsum": _einsum,
    "ConvTranspose": _transposed,
    "MatMulNBits": _few_bits,
}
