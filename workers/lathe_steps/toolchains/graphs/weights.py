"""Which initialisers of a graph are its weights."""

from pathlib import Path

import onnx

from lathe_steps.toolchains.graphs import files

_FLOATS = frozenset(
    {
        onnx.TensorProto.FLOAT,
        onnx.TensorProto.FLOAT16,
        onnx.TensorProto.BFLOAT16,
        onnx.TensorProto.DOUBLE,
    }
)
_QUANTISED = {
    "DequantizeLinear": (0,),
    "QuantizeLinear": (0,),
    "QLinearConv": (3, 8),
    "QLinearMatMul": (0, 3),
    "QGemm": (3, 6),
    "MatMulInteger": (0, 1),
    "ConvInteger": (0, 1),
    "DynamicQuantizeMatMul": (1, 4),
    "MatMulIntegerToFloat": (0, 1, 6),
    "MatMulNBits": (1,),
    "QLinearAdd": (0, 3),
    "QLinearMul": (0, 3),
}
"""By integer operator, the inputs that may be weights; its others are scales and zero points."""
_NORMALISATION = {"BatchNormalization": (1, 2)}  # not its statistics


def count(file: Path) -> int:
    """Count the elements of all initialisers that are weights."""
    model = files.read(file, weights=False)
    return sum(_of_graph(graph) for graph in files.graphs(model))


def _of_graph(graph: onnx.GraphProto) -> int:
    sizes = {tensor.name: (_elements(tensor), tensor.data_type) for tensor in graph.initializer}
    quantised: set[str] = set()
    others: set[str] = set()
    for node in graph.node:
        integer = node.op_type in _QUANTISED or node.op_type.startswith("QLinear")
        wanted = _QUANTISED.get(node.op_type, ()) if integer else _NORMALISATION.get(node.op_type)
        for i, name in enumerate(node.input):
            if wanted is None or i in wanted:
                (quantised if integer else others).add(name)
    weights = quantised | {name for name in others if sizes.get(name, (0, 0))[1] in _FLOATS}
    return sum(sizes[name][0] for name in weights if name in sizes)


def _elements(tensor: onnx.TensorProto) -> int:
    product = 1
    for size in tensor.dims:
        product *= size
    return product
