"""Batches of a data set as the tensors that a model takes."""

from collections.abc import Sequence

import numpy as np
import torch

from lathe_steps.base import Batch, TensorSpec
from lathe_steps.toolchains.arrays import checked_inputs
from lathe_steps.toolchains.networks.calls import Tensors


def tensors_of(batch: Batch, inputs: Sequence[TensorSpec], dataset: str) -> Tensors:
    """The inputs of a batch, of the declared types, in the declared order.

    Raises:
        BadInput: ShapeMismatch, when they are not of the declared shapes.
    """
    return {
        name: torch.from_numpy(np.ascontiguousarray(array))
        for name, array in checked_inputs(batch, inputs, dataset).items()
    }


class UnfitLabels(ValueError):  # noqa: N818 - named by what happened
    """Labels that are not there, or that do not fit the model; says why in one line."""


def classes_of(batch: Batch, scores: torch.Tensor) -> torch.Tensor:
    """The labels of a batch as class indices: int64, on the device of the scores.

    Args:
        batch: Samples with labels; those below 0 stand for no class.
        scores: What the model gives for them, of shape [batch, ..., classes].

    Raises:
        UnfitLabels: When there are none, or they are no classes of the model.
    """
    labels = _labels(batch)
    classes = scores.shape[-1] if scores.dim() > 1 else 0
    if not np.issubdtype(labels.dtype, np.integer):
        raise UnfitLabels(f"its labels are {labels.dtype}, no class indices")
    if tuple(labels.shape) != tuple(scores.shape[:-1]):
        raise UnfitLabels(
            f"its labels have the shape {list(labels.shape)}, but the model's scores have "
            f"{list(scores.shape)}; their last axis is the class"
        )
    if labels.size and int(labels.max()) >= classes:
        raise UnfitLabels(
            f"its labels go up to {int(labels.max())}, but the model has the classes 0 to "
            f"{classes - 1}"
        )
    return torch.from_numpy(labels.astype(np.int64)).to(scores.device)


def numbers_of(batch: Batch, scores: torch.Tensor) -> torch.Tensor:
    """The labels of a batch as numbers, in type, shape and device those of the scores.

    Raises:
        UnfitLabels: When there are none, or not one for each number that the model gives.
    """
    labels = _labels(batch)
    shape = tuple(scores.shape)
    if shape not in (labels.shape, (*labels.shape, 1)):
        raise UnfitLabels(
            f"its labels have the shape {list(labels.shape)}, but the model gives {list(shape)}"
        )
    numbers = torch.from_numpy(np.ascontiguousarray(labels)).to(scores.device, scores.dtype)
    return numbers.view(shape)


def are_numbers(batch: Batch, scores: torch.Tensor) -> bool:
    """Whether the task is to meet numbers, not to choose classes.

    It is when labels are floating-point numbers; and, without labels, when the model gives a
    single number, which is no choice.
    """
    if batch.labels is not None:
        return bool(np.issubdtype(batch.labels.dtype, np.floating))
    return scores.dim() < 2 or scores.shape[-1] == 1  # noqa: PLR2004 - an axis besides the batch


def _labels(batch: Batch) -> np.ndarray:
    if batch.labels is None:
        raise UnfitLabels("it has no labels")
    return batch.labels
