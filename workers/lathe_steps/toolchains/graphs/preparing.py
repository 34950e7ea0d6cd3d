"""A graph as quantisation wants it: constants folded, layers fused, types of tensors known."""

from fnmatch import fnmatchcase
from pathlib import Path

import onnx
import onnxruntime as ort
from onnx import version_converter

from lathe_steps.base import Artifact
from lathe_steps.errors import Internal, InvalidSpec
from lathe_steps.reasons import Reason
from lathe_steps.toolchains.graphs import files, gelus, optimising, pools
from lathe_steps.toolchains.onnx_runtime import first_line

_QUANTISED = (
    "QLinear",
    "QGemm",
    "QuantizeLinear",
    "DequantizeLinear",
    "ConvInteger",
    "MatMulI",
    "MatMulNBits",
    "GatherBlockQuantized",
)


def prepare(artifact: Artifact, out: Path, *, opset: int) -> Path:
    """Write a graph that computes the same with fewer nodes, all of ONNX's own kind.

    Args:
        artifact: An ONNX artifact.
        out: A directory for the graph and its weights.
        opset: The least version of the operator set that will do.

    Returns:
        The written file.

    Raises:
        Internal: UnsupportedModel, when ONNX Runtime cannot load it, or it cannot be written in
            that version.
    """
    inferred = out / "prepared.onnx"
    level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    plain = optimising.write(_raised(artifact, out, opset), out, level)
    onnx.shape_inference.infer_shapes_path(str(plain), str(inferred))
    return inferred


def respell(graph: Path) -> None:
    """Write means over images and GELUs as ONNX Runtime has kernels for, in a prepared file."""
    model = files.read(graph, weights=False)
    if pools.pool(model) | bool(gelus.reorder(model.graph)):
        onnx.save_model(model, str(graph))
        onnx.shape_inference.infer_shapes_path(str(graph), str(graph))


def _raised(artifact: Artifact, out: Path, opset: int) -> Artifact:
    """The model, written anew in a newer version where its own is too old."""
    model = files.read(artifact.main, weights=False)
    own = {entry.domain: entry.version for entry in model.opset_import}.get("", opset)
    if own >= opset:
        return artifact
    try:
        raised = version_converter.convert_version(files.read(artifact.main), opset)
    except (RuntimeError, ValueError) as error:
        raise Internal(
            f"the graph is of opset {own} and cannot be raised to {opset}, which this step needs: "
            f"{first_line(error)}; export it again in opset {opset}",
            reason=Reason.UNSUPPORTED_MODEL,
        ) from error
    files.write(raised, out)
    return files.artifact(out)


def refuse_quantised(model: onnx.ModelProto, step: str) -> None:
    """Refuse a graph with 8-bit operators.

    Raises:
        InvalidSpec: With the name of such a node.
    """
    for node in model.graph.node:
        if node.op_type.startswith(_QUANTISED):
            raise InvalidSpec(
                f"{step}: the model is quantised already ({node.name or node.op_type}); leave "
                "the step out, or start from the model in floating point"
            )


def matching(model: onnx.ModelProto, patterns: tuple[str, ...], field: str) -> list[str]:
    """Names of the nodes that match any of the patterns, in the graph's order.

    Raises:
        InvalidSpec: When a pattern matches nothing; with some names that there are.
    """
    names = [node.name for node in model.graph.node if node.op_type != "Constant"]
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            weighty = [n.name for n in model.graph.node if n.op_type in {"Conv", "Gemm", "MatMul"}]
            some = ", ".join((weighty or names)[:5])
            raise InvalidSpec(f"{field}: no node is named {pattern}; there are {some}, …")
    return [name for name in names if any(fnmatchcase(name, p) for p in patterns)]
