"""From a torch model to an ONNX file that computes the same."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import onnx
import torch

from lathe_steps.base import Artifact
from lathe_steps.errors import Internal, InvalidSpec
from lathe_steps.reasons import Reason
from lathe_steps.toolchains import trials
from lathe_steps.toolchains.graphs import files, names
from lathe_steps.toolchains.graphs.comparison import Difference, largest_difference
from lathe_steps.toolchains.networks import calls
from lathe_steps.toolchains.networks.models.model import Network
from lathe_steps.toolchains.onnx_runtime import Session

External = Literal["Auto", "Never", "Always"]
_EDGES = (1, 3)
"""Sizes of the batch, besides the one that was exported with, on which outputs are compared."""


def export(network: Network, out: Path, *, opset: int, external: External = "Auto") -> Artifact:
    """Write a network as ONNX, with its dynamic axes and stable names.

    Args:
        network: The model.
        out: An existing, empty directory.
        opset: Version of the operator set.
        external: Whether weights lie in a file beside the graph; Auto where they are too large.

    Raises:
        InvalidSpec: When they are too large, and must not.
        Internal: UnsupportedModel, when torch cannot export the model.
    """
    sizes = calls.workable_sizes(network.module, network.inputs)
    inputs = calls.random_inputs(network.inputs, sizes)
    with torch.no_grad():
        outputs = list(calls.call(network.module, inputs))
    program = _program(network, inputs, outputs, opset)
    program.save(str(out / files.MODEL), external_data=_beside(network, external))
    _tidy(out / files.MODEL, opset)
    return files.artifact(out, {"opset": opset})


def _beside(network: Network, asked: External) -> bool:
    size = sum(tensor.nbytes for tensor in network.module.state_dict().values())
    if size > files.INLINE_LIMIT and asked == "Never":
        raise InvalidSpec(
            f"export.externalData: the weights have {size} bytes, and ONNX files end at 2 GiB; "
            "use Auto"
        )
    return asked == "Always" or size > files.INLINE_LIMIT


def _program(
    network: Network, inputs: calls.Tensors, outputs: list[str], opset: int
) -> torch.onnx.ONNXProgram:
    args, kwargs = calls.arguments(network.module, inputs)
    dynamic = _dynamic_shapes(network)
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                network.module,
                args,
                kwargs=kwargs,
                dynamo=True,
                verbose=False,
                opset_version=opset,
                input_names=list(inputs),
                output_names=outputs,
                dynamic_shapes=dynamic if kwargs else tuple(dynamic.values()),
            )
    except torch.onnx.OnnxExporterError as error:
        raise Internal(
            f"torch cannot export {network.ref} to ONNX: {_cause(error)}",
            reason=Reason.UNSUPPORTED_MODEL,
        ) from error
    if program is None:
        raise Internal("torch.onnx.export gave no program")
    return program


def _dynamic_shapes(network: Network) -> dict[str, dict[int, object]]:
    """The declared dynamic axes, the same dimension wherever the same name stands."""
    axes = {axis for spec in network.inputs for axis in spec.shape if isinstance(axis, str)}
    dims = {axis: torch.export.Dim(axis) for axis in axes}
    return {
        spec.name: {i: dims[axis] for i, axis in enumerate(spec.shape) if isinstance(axis, str)}
        for spec in network.inputs
    }


def _tidy(file: Path, opset: int) -> None:
    """Name nodes after layers, drop what only people read, and check the operator set."""
    model = files.read(file, weights=False)
    names.after_layers(model)
    files.strip(model)
    onnx.save_model(model, str(file))
    given = {entry.domain: entry.version for entry in model.opset_import}.get("", 0)
    if given != opset:
        raise Internal(
            f"export.opset: the model cannot be written in opset {opset} (it needs {given})",
            reason=Reason.UNSUPPORTED_MODEL,
        )


def check(network: Network, artifact: Artifact, *, tolerance: float, threads: int) -> Difference:
    """Compare an exported file with the network, on random inputs of several batch sizes.

    Args:
        network: The model.
        artifact: What it was exported to.
        tolerance: Largest difference that passes, relative to an output's largest value.
        threads: CPU threads.

    Raises:
        Internal: ConversionMismatch, when an output differs by more.
    """
    session = Session(artifact, threads)
    sizes = calls.workable_sizes(network.module, network.inputs)
    first = trials.batch_axes(network.inputs)
    worst = Difference("", 0.0)
    for seed, batch in enumerate((None, *(_EDGES if first else ()))):
        tried = sizes if batch is None else {**sizes, **dict.fromkeys(first, batch)}
        inputs = calls.random_inputs(network.inputs, tried, seed=seed + 1)
        with torch.no_grad():
            expected = calls.arrays_of(calls.call(network.module, inputs))
        found = session.run(calls.arrays_of(inputs))
        worst = max(worst, largest_difference(expected, found), key=lambda it: it.relative)
    if not worst.relative <= tolerance:
        raise Internal(
            f"the ONNX file differs from torch by {worst.relative:.2g} of the largest value of "
            f"{worst.output}, more than export.tolerance {tolerance:g}",
            reason=Reason.CONVERSION_MISMATCH,
        )
    return worst


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's advice to programmers from users' terminals."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _cause(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error).strip().partition("\n")[0]
