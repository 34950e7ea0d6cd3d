"""Simplifying a graph with onnxslim."""

from pathlib import Path

import onnxslim

from lathe_steps.base import Artifact
from lathe_steps.errors import Internal
from lathe_steps.reasons import Reason
from lathe_steps.toolchains.graphs import files, names, trying
from lathe_steps.toolchains.graphs.comparison import largest_difference
from lathe_steps.toolchains.onnx_runtime import Session

_TOLERANCE = 1e-4
"""Largest difference of the outputs, relative to their largest value, that is rounding."""


def simplify(artifact: Artifact, out: Path, *, threads: int) -> Artifact:
    """Write a simpler graph with the same outputs.

    Raises:
        Internal: ConversionMismatch, when outputs differ; UnsupportedModel, when the graph cannot
            be simplified.
    """
    model = files.read(artifact.main)
    before = len(model.graph.node)
    try:
        slim = onnxslim.slim(model)
    except Exception as error:
        raise Internal(
            f"simplify: onnxslim fails on this graph: {error!r}; leave the step out",
            reason=Reason.UNSUPPORTED_MODEL,
        ) from error
    names.complete(slim)
    files.strip(slim)
    files.write(slim, out)
    simplified = files.artifact(out, {"nodes_before": before, "nodes": len(slim.graph.node)})
    original = Session(artifact, threads)
    inputs = trying.workable_inputs(original)
    difference = largest_difference(original.run(inputs), Session(simplified, threads).run(inputs))
    if not difference.relative <= _TOLERANCE:
        raise Internal(
            f"simplify: {difference.output} changed by {difference.relative:.2g} of its largest "
            "value; leave the step out",
            reason=Reason.CONVERSION_MISMATCH,
        )
    return simplified
