"""What is said of a data set that cannot be used."""

from lathe_api.v1alpha1.datasets import DatasetRef
from lathe_steps.errors import BadInput
from lathe_steps.reasons import Reason


def spoken(ref: DatasetRef, file: str = "") -> str:
    """How messages call a data set, or a file below its prefix."""
    return f"data set {ref.name} ({ref.uri}{file})"


def invalid(called: str, why: str) -> BadInput:
    """A data set, or a part of it, is not what it should be."""
    return BadInput(f"{called}: {why}", reason=Reason.INVALID_DATASET)


def misshapen(called: str, why: str) -> BadInput:
    """Samples do not fit the model."""
    return BadInput(f"{called}: {why}", reason=Reason.SHAPE_MISMATCH)
