"""Batches of a data set as the tensors that a model takes."""

from collections.abc import Sequence

import numpy as np
import torch

from lathe_steps.base import Batch, TensorSpec
from lathe_steps.errors import BadInput
from lathe_steps.reasons import Reason
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


def labels_of(batch: Batch, scores: torch.Tensor, dataset: str) -> torch.Tensor:
    """The labels of a batch: int64, on the device of the scores.

    Args:
        batch: Samples with labels.
        scores: What the model gives for them; its second axis is the class.
        dataset: Its name, for messages.

    Raises:
        BadInput: InvalidDataset, when there are none, or they are no classes of the model.
    """
    if batch.labels is None:
        raise BadInput(f"{dataset}: it has no labels", reason=Reason.INVALID_DATASET)
    classes = scores.shape[1] if scores.dim() > 1 else 0
    low, high = int(batch.labels.min()), int(batch.labels.max())
    if not np.issubdtype(batch.labels.dtype, np.integer) or low < 0 or high >= classes:
        raise BadInput(
            f"{dataset}: its labels are {batch.labels.dtype} from {low} to {high}, but the model "
            f"has the classes 0 to {classes - 1}",
            reason=Reason.INVALID_DATASET,
        )
    return torch.from_numpy(batch.labels.astype(np.int64)).to(scores.device)
