"""How many weights an artifact has."""

import math
from pathlib import Path

from lathe_steps.base import Artifact, Format
from lathe_steps.errors import Internal
from lathe_steps.toolchains.torch_files import WEIGHTS, read_header

_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
_FLOATS = ("F", "BF")


def parameters(artifact: Artifact) -> int:
    """Count the weights of a torch or ONNX artifact, without loading them.

    Statistics of normalisations, scales and zero points of quantisation, and constants that are
    integers by nature (shapes, axes, indices) are no weights.

    Raises:
        Internal: For an engine, whose weights cannot be counted.
    """
    if artifact.format is Format.TORCH:
        return _of_safetensors(artifact.path / WEIGHTS)
    if artifact.format is Format.ONNX:
        from lathe_steps.toolchains.graphs.weights import count

        return count(artifact.main)
    raise Internal(f"{artifact.entry[0]}: the weights of an engine cannot be counted")


def _of_safetensors(file: Path) -> int:
    count = 0
    for name, entry in read_header(file).items():
        if not name.endswith(_STATISTICS) and entry.dtype.startswith(_FLOATS):
            count += math.prod(entry.shape)
    return count
