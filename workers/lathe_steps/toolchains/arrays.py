"""Arrays of a data set as a model takes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lathe_steps.errors import BadInput
from lathe_steps.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from lathe_steps.base import Batch, TensorSpec


def checked_inputs(
    batch: Batch, inputs: Sequence[TensorSpec], dataset: str
) -> dict[str, np.ndarray]:
    """The inputs of a batch, cast to the declared types, in the declared order.

    Args:
        batch: Samples side by side.
        inputs: What the model takes.
        dataset: Name of the data set, for messages.

    Raises:
        BadInput: InvalidDataset, when an input is missing; ShapeMismatch, when an array is not of
            the declared shape, apart from its first axis.
    """
    return {spec.name: _checked(batch, spec, dataset) for spec in inputs}


def _checked(batch: Batch, spec: TensorSpec, dataset: str) -> np.ndarray:
    if spec.name not in batch.inputs:
        raise BadInput(
            f"{dataset}: no array for the model's input {spec.name}; map it in "
            f"datasets[{dataset}].inputs",
            reason=Reason.INVALID_DATASET,
        )
    array = batch.inputs[spec.name]
    fits = array.ndim == len(spec.shape) and all(
        isinstance(axis, str) or axis == size
        for axis, size in zip(spec.shape[1:], array.shape[1:], strict=True)
    )
    if not fits:
        raise BadInput(
            f"{dataset}: samples for {spec.name} have the shape {list(array.shape[1:])}, but the "
            f"model takes {list(spec.shape[1:])}",
            reason=Reason.SHAPE_MISMATCH,
        )
    return array.astype(spec.dtype, copy=False)
