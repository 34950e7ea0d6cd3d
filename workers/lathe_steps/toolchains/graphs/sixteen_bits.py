"""The whole way of a graph to 16 bits: prepare, narrow, check."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
from onnx import TensorProto

from lathe_steps.base import Artifact
from lathe_steps.errors import Internal
from lathe_steps.reasons import Reason
from lathe_steps.toolchains.graphs import files, preparing, trying
from lathe_steps.toolchains.graphs.comparison import largest_difference
from lathe_steps.toolchains.graphs.narrowing import Narrowing
from lathe_steps.toolchains.onnx_runtime import Session

Type = Literal["FP16", "BF16"]
_ELEMENTS = {"FP16": TensorProto.FLOAT16, "BF16": TensorProto.BFLOAT16}
_OPSETS = {"FP16": 13, "BF16": 22}
"""The first operator set whose convolutions and poolings take the type; no older one than 13."""


def convert(
    artifact: Artifact,
    out: Path,
    dtype: Type,
    *,
    keep_io: bool,
    exclude: tuple[str, ...],
    threads: int,
) -> Artifact:
    """Write the model in 16 bits to `out`.

    Args:
        artifact: An ONNX artifact.
        out: An empty directory.
        dtype: FP16 or BF16.
        keep_io: Whether inputs and outputs keep their types.
        exclude: Patterns of nodes that stay in 32 bits.
        threads: CPU threads.

    Raises:
        InvalidSpec: When an entry of exclude matches nothing, or the model is quantised.
        Internal: UnsupportedModel, when nothing can be converted; ConversionMismatch, when values
            overflow.
    """
    with TemporaryDirectory(dir=out) as folder:
        model = files.read(preparing.prepare(artifact, Path(folder), opset=_OPSETS[dtype]))
    preparing.refuse_quantised(model, "convertPrecision")
    kept = preparing.matching(model, exclude, "convertPrecision.exclude")
    nodes = len(model.graph.node)
    narrowed = Narrowing(model, _ELEMENTS[dtype], keep_io=keep_io, exclude=kept).run()
    if not narrowed:
        raise Internal(
            f"convertPrecision: no node of the graph can compute in {dtype}",
            reason=Reason.UNSUPPORTED_MODEL,
        )
    files.strip(model)
    files.write(model, out)
    converted = files.artifact(out)
    difference = _checked(artifact, converted, threads)
    facts = {
        "nodes_16bit": narrowed,
        "nodes_32bit": nodes - narrowed,
        "largest_difference": difference,
    }
    return files.artifact(out, facts)


def _checked(artifact: Artifact, converted: Artifact, threads: int) -> float:
    """How far the outputs are from those in 32 bits, relative to their largest value."""
    original, narrow = Session(artifact, threads), Session(converted, threads)
    inputs = trying.workable_inputs(original)
    expected, found = original.run(inputs), narrow.run(inputs)
    for name, values in found.items():
        if np.isfinite(expected[name]).all() and not np.isfinite(values).all():
            raise Internal(
                f"convertPrecision: {name} overflows in 16 bits; exclude the nodes with the "
                "largest values, or choose BF16",
                reason=Reason.CONVERSION_MISMATCH,
            )
    return largest_difference(expected, found).relative
