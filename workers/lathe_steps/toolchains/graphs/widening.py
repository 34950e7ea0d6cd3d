"""Running bfloat16 where there are no kernels for it: in 32 bits, with the rounded weights."""

from pathlib import Path

from onnx import TensorProto, numpy_helper

from lathe_steps.errors import BadInput
from lathe_steps.toolchains.graphs import files


def holds_bfloat16(file: Path) -> bool:
    """Whether a file is a model, and any tensor, input or output of it is bfloat16."""
    try:
        model = files.read(file, weights=False)
    except BadInput:
        return False
    infos = [i for g in files.graphs(model) for i in (*g.input, *g.output)]
    return any(t.data_type == TensorProto.BFLOAT16 for t in files.tensors(model)) or any(
        info.type.tensor_type.elem_type == TensorProto.BFLOAT16 for info in infos
    )


def widened(file: Path, out: Path) -> Path:
    """Write a model that computes in 32 bits what this one computes in bfloat16.

    Weights have the same values; activations are not rounded.
    """
    model = files.read(file)
    for tensor in files.tensors(model):
        if tensor.data_type == TensorProto.BFLOAT16:
            values = numpy_helper.to_array(tensor).astype("float32")
            tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    for graph in files.graphs(model):
        for info in (*graph.input, *graph.output):
            if info.type.tensor_type.elem_type == TensorProto.BFLOAT16:
                info.type.tensor_type.elem_type = TensorProto.FLOAT
        casts = (attribute for n in graph.node if n.op_type == "Cast" for attribute in n.attribute)
        for attribute in casts:
            if attribute.i == TensorProto.BFLOAT16:
                attribute.i = TensorProto.FLOAT
    files.write(model, out)
    return out / files.MODEL
