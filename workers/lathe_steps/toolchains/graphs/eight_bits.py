"""The whole way of a graph to 8 bits: prepare, calibrate, quantise, check."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx

from lathe_steps.base import Artifact
from lathe_steps.errors import Internal
from lathe_steps.reasons import Reason
from lathe_steps.toolchains.graphs import calibration, files, preparing, quantising
from lathe_steps.toolchains.graphs.lowering import Form
from lathe_steps.toolchains.onnx_runtime import Session

_OPSET = 13
"""The first operator set with a scale per channel in quantise/dequantise pairs."""
_FLOATING = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""Operators that cost most; those that are left are what 8 bits did not reach."""


@dataclass(frozen=True, slots=True)
class Work:
    """What to do to a graph.

    Attributes:
        form: Types and spelling.
        sampling: What to calibrate on; None for ranges that are found while running.
        per_channel: Whether weights have a scale per output channel.
        exclude: Patterns of nodes that stay in floating point.
    """

    form: Form
    sampling: calibration.Sampling | None
    per_channel: bool
    exclude: tuple[str, ...]


def quantise(
    artifact: Artifact,
    out: Path,
    work: Work,
    *,
    threads: int,
    progress: Callable[[float, str], None],
) -> Artifact:
    """Write the quantised model to `out`; the fields of `work` are those of the step.

    Raises:
        InvalidSpec: When an entry of exclude matches nothing, or the model is quantised already.
        BadInput: When the samples do not fit the model.
        Internal: UnsupportedModel, when the graph cannot be quantised or loaded afterwards.
    """
    with TemporaryDirectory(dir=out) as folder:
        graph = preparing.prepare(artifact, Path(folder), opset=_OPSET)
        bare = files.read(graph, weights=False)
        preparing.refuse_quantised(bare, "quantize")
        exclude = preparing.matching(bare, work.exclude, "quantize.exclude")
        samples = 0
        if work.sampling is None:
            model = quantising.quantise_dynamic(
                graph, work.form, per_channel=work.per_channel, exclude=exclude
            )
        else:
            ranges, samples = calibration.ranges(
                graph, files.inputs(bare), work.sampling, threads=threads, progress=progress
            )
            model = quantising.quantise_static(
                graph, ranges, work.form, per_channel=work.per_channel, exclude=exclude
            )
    files.write(model, out)
    facts: dict[str, float | int | str] = {"samples": samples, **_facts(model, work.form)}
    quantised = files.artifact(out, facts)
    Session(quantised, threads)
    return quantised


def _facts(model: onnx.ModelProto, form: Form) -> dict[str, float | int | str]:
    kinds = [node.op_type for node in model.graph.node]
    integer = sum("QLinear" in kind or "Integer" in kind or kind == "QGemm" for kind in kinds)
    pairs = kinds.count("DequantizeLinear") if form.spelling == "QDQ" else 0
    if not integer and not pairs:
        raise Internal(
            "quantize: nothing in the graph could be quantised", reason=Reason.UNSUPPORTED_MODEL
        )
    return {
        "format": form.spelling,
        "integer_nodes": integer or pairs,
        "floating_nodes": 0 if pairs else sum(kinds.count(kind) for kind in _FLOATING),
    }
