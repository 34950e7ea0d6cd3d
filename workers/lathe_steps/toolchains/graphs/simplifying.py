"""Simplifying a graph with onnxslim."""

from pathlib import Path

import onnxslim

from lathe_steps.base import Artifact
from lathe_steps.errors import Internal
from lathe_steps.reasons import Reason
from lathe_steps.toolchains.graphs import files, names, notes, trying

_TOLERANCE = 1e-4
"""Largest difference of the outputs, relative to their largest value, that is rounding."""


def simplify(artifact: Artifact, out: Path, *, samples: int, threads: int) -> Artifact:
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
    notes.carry(artifact.path, out)
    trying.compare(
        artifact,
        simplified,
        "simplify",
        tolerance=_TOLERANCE,
        threads=threads,
        batches=samples,
    )
    return simplified
