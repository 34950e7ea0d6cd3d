"""ONNX files that nobody vouches for: parsed without their data, which must lie beside them."""

import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import onnx

from lathe_steps.base import Artifact, TensorSpec
from lathe_steps.errors import BadInput, Stopped
from lathe_steps.reasons import Reason
from lathe_steps.toolchains import candidates
from lathe_steps.toolchains.graphs import files, names
from lathe_steps.toolchains.graphs.external import Place, append, place_of, put
from lathe_steps.toolchains.onnx_runtime import Session
from lathe_steps.toolchains.source import SourceModel

DOMAINS = frozenset(
    {"", "ai.onnx", "ai.onnx.ml", "com.microsoft", "pkg.onnxscript.torch_lib.common"}
)
"""Domains of operators that need no library of anybody's."""
_MOST_NODES = 200_000
_MOST_ELEMENTS = 2**36
"""Elements of one tensor; more than any machine of today could hold."""


def open_graph(source: SourceModel, out: Path) -> Artifact:
    """Check an ONNX model and write it again as an artifact.

    Raises:
        BadInput: InvalidModel, UnsafeModel, ShapeMismatch or UnsupportedModel.
    """
    file = candidates.the_one(source.path, (".onnx",))
    try:
        return _opened(file, source, out)
    except UnicodeDecodeError as error:  # ONNX's parser lets any bytes pass for a name
        raise BadInput(f"{file.name}: it holds names that are no text; export it again") from error


def _opened(file: Path, source: SourceModel, out: Path) -> Artifact:
    model = files.read(file, weights=False)
    _check_content(file.name, model)
    _check_external_data(file, model)
    _check_inputs(file.name, files.inputs(model), source.inputs)
    names.complete(model)
    _write(file, model, out)
    _check_with_onnx(file.name, out / files.MODEL)
    return _checked_by_running(file.name, files.artifact(out))


def _check_content(name: str, model: onnx.ModelProto) -> None:
    if not model.graph.node:
        raise BadInput(f"{name}: it holds no graph; export it again")
    counts = [len(graph.node) for graph in files.graphs(model)]
    if sum(counts) > _MOST_NODES:
        raise BadInput(
            f"{name}: it has {sum(counts)} nodes, more than {_MOST_NODES}",
            reason=Reason.UNSUPPORTED_MODEL,
        )
    own = {function.domain for function in model.functions}
    for node in _nodes(model):
        if node.domain not in DOMAINS | own:
            raise BadInput(
                f"{name}: the operator {node.domain}.{node.op_type} ({node.name or 'unnamed'}) "
                "is not ONNX's own; export the model without custom operators",
                reason=Reason.UNSUPPORTED_MODEL,
            )
    for tensor in files.tensors(model):
        if min(tensor.dims, default=0) < 0 or _elements(tensor) > _MOST_ELEMENTS:
            raise BadInput(f"{name}: the tensor {tensor.name} has the shape {list(tensor.dims)}")


def _nodes(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    for graph in files.graphs(model):
        yield from graph.node
    for function in model.functions:
        yield from function.node


def _elements(tensor: onnx.TensorProto) -> int:
    count = 1
    for size in tensor.dims:
        count *= size
    return count


def _check_external_data(file: Path, model: onnx.ModelProto) -> None:
    """Refuse data that is not in a regular file of the model's own folder, and whole there."""
    for tensor in files.tensors(model):
        try:
            place = place_of(tensor)
        except ValueError as error:
            raise BadInput(f"{file.name}: the place of {tensor.name} is no number") from error
        if place is not None:
            _check_place(file, tensor, place)


def _check_place(file: Path, tensor: onnx.TensorProto, place: Place) -> None:
    location, offset, length = place
    if PurePosixPath(location).name != location or "\\" in location:
        raise _unsafe(file, tensor, f"lies at {location!r}, which is no plain file name")
    try:
        status = (file.parent / location).lstat()
    except OSError as error:
        raise BadInput(
            f"{file.name}: its data file {location} is missing; put it beside the model and "
            "name the folder in model.uri"
        ) from error
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        raise _unsafe(file, tensor, f"lies in {location}, which is a link or no regular file")
    if min(offset, length or 0) < 0 or offset + (length or 0) > status.st_size:
        raise BadInput(
            f"{file.name}: {tensor.name} ends beyond the end of {location}; was it cut off?"
        )


def _unsafe(file: Path, tensor: onnx.TensorProto, why: str) -> BadInput:
    return BadInput(
        f"{file.name}: the data of {tensor.name} {why}; keep it in a file beside the model",
        reason=Reason.UNSAFE_MODEL,
    )


def _check_inputs(
    name: str, found: tuple[TensorSpec, ...], declared: tuple[TensorSpec, ...]
) -> None:
    """Refuse a file that does not take what is declared; nothing declared is no promise."""
    if not found:
        raise BadInput(f"{name}: the model takes no inputs", reason=Reason.UNSUPPORTED_MODEL)
    if not declared:
        return
    said, has = {spec.name: spec for spec in declared}, {spec.name: spec for spec in found}
    if said.keys() != has.keys():
        raise BadInput(
            f"{name}: it takes {', '.join(has)}, but model.inputs declares {', '.join(said)}",
            reason=Reason.SHAPE_MISMATCH,
        )
    for spec in found:
        if not _agrees(said[spec.name], spec):
            want = said[spec.name]
            raise BadInput(
                f"{name}: its input {spec.name} is {spec.dtype}{list(spec.shape)}, but "
                f"model.inputs declares {want.dtype}{list(want.shape)}",
                reason=Reason.SHAPE_MISMATCH,
            )


def _agrees(declared: TensorSpec, found: TensorSpec) -> bool:
    return (
        declared.dtype == found.dtype
        and len(declared.shape) == len(found.shape)
        and all(
            isinstance(axis, str) or axis == size
            for axis, size in zip(found.shape, declared.shape, strict=True)
        )
    )


def _write(file: Path, model: onnx.ModelProto, out: Path) -> None:
    """Write the model again: in one file, or with one data file that holds nothing else."""
    places = [(t, place) for t in files.tensors(model) if (place := place_of(t))]
    beside = {place.location for _, place in places}
    size = sum((file.parent / name).stat().st_size for name in {file.name, *beside})
    if size <= files.INLINE_LIMIT:
        whole = files.read(file)
        names.complete(whole)
        files.write(whole, out)
        return
    with (out / files.DATA).open("wb") as target:
        for tensor, place in places:
            with (file.parent / place.location).open("rb") as data:
                moved = append(data, place, target)
            put(tensor, moved._replace(location=files.DATA))
    onnx.save_model(model, str(out / files.MODEL))


def _check_with_onnx(name: str, file: Path) -> None:
    try:
        onnx.checker.check_model(str(file))
    except onnx.checker.ValidationError as error:
        first = str(error).partition("\n")[0]
        raise BadInput(f"{name}: it is no valid ONNX: {first}") from error


def _checked_by_running(name: str, artifact: Artifact) -> Artifact:
    """Refuse what ONNX Runtime cannot load, since everything is measured against this model."""
    try:
        Session(artifact, threads=1)
    except Stopped as error:
        raise BadInput(f"{name}: {error.message}", reason=error.reason) from error
    return artifact
