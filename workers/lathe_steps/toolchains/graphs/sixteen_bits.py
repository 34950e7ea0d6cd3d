"""The whole way of a graph to 16 bits: prepare, narrow, check."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
from onnx import TensorProto

from lathe_steps.base import Artifact
from lathe_steps.errors import Internal
from lathe_steps.reasons import Reason
from lathe_steps.toolchains.graphs import calibration, files, fitting, preparing, trying
from lathe_steps.toolchains.graphs.comparison import largest_difference
from lathe_steps.toolchains.graphs.narrowing import Narrowing
from lathe_steps.toolchains.onnx_runtime import Session

Progress = Callable[[float, str], None]
Type = Literal["FP16", "BF16"]
_ELEMENTS = {"FP16": TensorProto.FLOAT16, "BF16": TensorProto.BFLOAT16}
_OPSETS = {"FP16": 13, "BF16": 22}
"""The first operator set whose convolutions and poolings take the type; no older one than 13."""
_NAMED = 8
"""Nodes that the facts name."""


@dataclass(frozen=True, slots=True)
class Work:
    """What to do to a graph.

    Attributes:
        dtype: FP16 or BF16.
        keep_io: Whether inputs and outputs keep their types.
        exclude: Patterns of nodes that stay in 32 bits.
        sampling: Samples to look at values on, which keep nodes in 32 bits too.
    """

    dtype: Type
    keep_io: bool
    exclude: tuple[str, ...]
    sampling: calibration.Sampling | None = None


def convert(
    artifact: Artifact, out: Path, work: Work, *, threads: int, progress: Progress
) -> Artifact:
    """Write the model in 16 bits to `out`.

    Raises:
        InvalidSpec: When an entry of exclude matches nothing, or the model is quantised.
        BadInput: When the samples do not fit the model.
        Internal: UnsupportedModel, when nothing can be converted; ConversionMismatch, when values
            overflow.
    """
    ranges: calibration.Ranges = {}
    with TemporaryDirectory(dir=out) as folder:
        graph = preparing.prepare(artifact, Path(folder), opset=_OPSETS[work.dtype])
        model = files.read(graph)
        preparing.refuse_quantised(model, "convertPrecision")
        asked = preparing.matching(model, work.exclude, "convertPrecision.exclude")
        if work.sampling is not None:
            ranges, _ = calibration.ranges(
                graph, work.sampling, known={}, threads=threads, progress=progress
            )
    unfit = fitting.unfit(model, ranges) if work.sampling is not None else []
    nodes = len(model.graph.node)
    narrowed = Narrowing(
        model, _ELEMENTS[work.dtype], keep_io=work.keep_io, exclude={*asked, *unfit}
    ).run()
    if not narrowed:
        raise Internal(
            f"convertPrecision: no node of the graph can compute in {work.dtype}",
            reason=Reason.UNSUPPORTED_MODEL,
        )
    files.strip(model)
    files.write(model, out)
    facts: dict[str, float | int | str] = {
        "nodes_16bit": narrowed,
        "nodes_32bit": nodes - narrowed,
        "largest_difference": _checked(artifact, files.artifact(out), threads),
    }
    if unfit:
        more = f" and {len(unfit) - _NAMED} more" if len(unfit) > _NAMED else ""
        facts["values_do_not_fit"] = ", ".join(unfit[:_NAMED]) + more
    return files.artifact(out, facts)


def _checked(artifact: Artifact, converted: Artifact, threads: int) -> float:
    """How far the outputs are from those in 32 bits, relative to their largest value."""
    original, narrow = Session(artifact, threads), Session(converted, threads)
    inputs = trying.workable_inputs(original)
    expected, found = original.run(inputs), narrow.run(inputs)
    for name, values in found.items():
        if np.isfinite(expected[name]).all() and not np.isfinite(values).all():
            raise Internal(
                f"convertPrecision: {name} overflows in 16 bits; name calibration samples, "
                "exclude the nodes with the largest values, or choose BF16",
                reason=Reason.CONVERSION_MISMATCH,
            )
    return largest_difference(expected, found).relative
