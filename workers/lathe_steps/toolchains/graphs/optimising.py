"""Optimising a graph ahead of time, as ONNX Runtime would when it loads it."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import onnxruntime as ort

from lathe_steps.base import Artifact
from lathe_steps.errors import Internal
from lathe_steps.reasons import Reason
from lathe_steps.toolchains.graphs import files, names, trying
from lathe_steps.toolchains.onnx_runtime import errors, first_line

Level = Literal["Basic", "Extended", "All"]
_LEVELS = {
    "Basic": ort.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "Extended": ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED,
    "All": ort.GraphOptimizationLevel.ORT_ENABLE_ALL,
}
_TOLERANCE = 1e-3
"""Largest difference of the outputs, relative to their largest value, that is rounding."""


def optimise(artifact: Artifact, out: Path, level: Level, *, threads: int) -> Artifact:
    """Write the optimised graph to `out`.

    Raises:
        Internal: UnsupportedModel, when ONNX Runtime cannot load it; ConversionMismatch, when
            outputs differ.
    """
    before = len(files.read(artifact.main, weights=False).graph.node)
    with TemporaryDirectory(dir=out) as folder:
        model = files.read(write(artifact, Path(folder), _LEVELS[level]))
    names.complete(model)
    files.strip(model)
    files.write(model, out)
    facts = {"level": level, "nodes_before": before, "nodes": len(model.graph.node)}
    optimised = files.artifact(out, facts)
    trying.compare(artifact, optimised, "optimize", tolerance=_TOLERANCE, threads=threads)
    return optimised


def write(artifact: Artifact, out: Path, level: ort.GraphOptimizationLevel) -> Path:
    """Let ONNX Runtime write what it makes of a model when it loads it.

    Args:
        artifact: An ONNX artifact.
        out: A directory for the graph, `folded.onnx`, and its weights.
        level: How far it goes.

    Returns:
        The written file.

    Raises:
        Internal: UnsupportedModel, when it cannot load the model.
    """
    file = out / "folded.onnx"
    options = ort.SessionOptions()
    options.graph_optimization_level = level
    options.optimized_model_filepath = str(file)
    options.log_severity_level = 4
    if artifact.size > files.INLINE_LIMIT:
        key = "session.optimized_model_external_initializers_file_name"
        options.add_session_config_entry(key, "folded.onnx.data")
    try:
        ort.InferenceSession(str(artifact.main), options, providers=["CPUExecutionProvider"])
    except errors() as error:
        raise Internal(
            f"ONNX Runtime cannot load it: {first_line(error)}", reason=Reason.UNSUPPORTED_MODEL
        ) from error
    return file
