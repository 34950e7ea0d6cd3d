"""ONNX files: read without their weights, written with external data where that is needed."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import helper

from lathe_steps.base import Artifact, Format, TensorSpec
from lathe_steps.errors import BadInput
from lathe_steps.evidence import Evidence
from lathe_steps.reasons import Reason

MODEL = "model.onnx"
DATA = "model.onnx.data"
INLINE_LIMIT = 1_500_000_000
"""Bytes of weights up to which a model is one file; protobuf ends at 2 GiB."""
_NUMBERS = frozenset(helper.get_all_tensor_dtypes()) - {onnx.TensorProto.STRING}
_EXTERNAL_FROM = 1024
"""Bytes from which a tensor goes to the data file; the small ones are needed to infer shapes."""


def read(file: Path, *, weights: bool = True) -> onnx.ModelProto:
    """Parse a model.

    Args:
        file: The model; its external data lies beside it.
        weights: Whether external data is loaded too.

    Raises:
        BadInput: InvalidModel, when it is no ONNX file.
    """
    try:
        return onnx.load(str(file), load_external_data=weights)
    except DecodeError as error:
        raise BadInput(
            f"{file.name}: it is no ONNX file or was cut off; export it again"
        ) from error


def write(model: onnx.ModelProto, out: Path) -> tuple[str, ...]:
    """Write a model that holds its weights to `out`, and return the names of its files.

    More than INLINE_LIMIT bytes of weights go to a file beside it.
    """
    if sum(len(tensor.raw_data) for tensor in tensors(model)) <= INLINE_LIMIT:
        onnx.save_model(model, str(out / MODEL))
        return (MODEL,)
    onnx.save_model(
        model,
        str(out / MODEL),
        save_as_external_data=True,
        location=DATA,
        size_threshold=_EXTERNAL_FROM,
    )
    return (MODEL, DATA)


def artifact(
    out: Path,
    facts: Mapping[str, float | int | str] | None = None,
    evidence: tuple[Evidence, ...] = (),
) -> Artifact:
    """The artifact that was written to `out`."""
    entry = tuple(name for name in (MODEL, DATA) if (out / name).exists())
    return Artifact(Format.ONNX, out, entry, facts or {}, evidence)


def strip(model: onnx.ModelProto) -> None:
    """Remove what only people read, in place: source lines, comments, inferred shapes."""
    model.ClearField("metadata_props")
    model.ClearField("doc_string")
    for graph in graphs(model):
        graph.ClearField("metadata_props")
        graph.ClearField("doc_string")
        graph.ClearField("value_info")
        graph.ClearField("quantization_annotation")
        for part in (*graph.node, *graph.initializer, *graph.input, *graph.output):
            part.ClearField("metadata_props")
            part.ClearField("doc_string")


def graphs(model: onnx.ModelProto) -> Iterator[onnx.GraphProto]:
    """The main graph and every graph within it."""
    waiting = [model.graph]
    while waiting:
        graph = waiting.pop()
        yield graph
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    waiting.append(attribute.g)
                waiting.extend(attribute.graphs)


def tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Every tensor of a model: initialisers, constants, those of functions and of graphs within."""
    for graph in graphs(model):
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield from (sparse.values, sparse.indices)
        yield from _attribute_tensors(graph.node)
    for function in model.functions:
        yield from _attribute_tensors(function.node)


def _attribute_tensors(nodes: Sequence[onnx.NodeProto]) -> Iterator[onnx.TensorProto]:
    for node in nodes:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)


def inputs(model: onnx.ModelProto) -> tuple[TensorSpec, ...]:
    """What a model takes, without its weights; a dynamic axis without a name is `<input>_<axis>`.

    Raises:
        BadInput: UnsupportedModel, when an input is no tensor of numbers or of unknown rank.
    """
    weights = {tensor.name for tensor in model.graph.initializer}
    return tuple(_spec(info) for info in model.graph.input if info.name not in weights)


def _spec(info: onnx.ValueInfoProto) -> TensorSpec:
    kind = info.type.tensor_type
    if not info.type.HasField("tensor_type") or kind.elem_type not in _NUMBERS:
        raise BadInput(
            f"input {info.name}: it is no tensor of numbers", reason=Reason.UNSUPPORTED_MODEL
        )
    if not kind.HasField("shape"):
        raise BadInput(
            f"input {info.name}: its shape is not in the file; export the model with shapes",
            reason=Reason.UNSUPPORTED_MODEL,
        )
    shape = tuple(
        dim.dim_value if dim.dim_value > 0 else dim.dim_param or f"{info.name}_{axis}"
        for axis, dim in enumerate(kind.shape.dim)
    )
    return TensorSpec(info.name, helper.tensor_dtype_to_np_dtype(kind.elem_type).name, shape)
