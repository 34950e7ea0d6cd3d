"""What training makes small."""

from collections.abc import Callable, Mapping

import torch
from torch import nn
from torch.nn import functional

from lathe_steps.base import Batch
from lathe_steps.errors import BadInput, InvalidSpec
from lathe_steps.reasons import Reason
from lathe_steps.toolchains.networks import calls, samples
from lathe_steps.toolchains.training import LossKind

Loss = Callable[[torch.Tensor, calls.Tensors, Batch], torch.Tensor]
"""From the student's scores (its first output), the inputs and the batch to a number to make small.

It may raise `samples.UnfitLabels`, which `named` turns into what users are told.
"""
Distance = Callable[[], torch.Tensor]
"""How far the inner features of the student's and the teacher's last calls are apart."""


def named(loss: Loss, dataset: str) -> Loss:
    """The same loss, whose complaints about labels name the data set, as BadInput."""

    def told(scores: torch.Tensor, inputs: calls.Tensors, batch: Batch) -> torch.Tensor:
        try:
            return loss(scores, inputs, batch)
        except samples.UnfitLabels as error:
            raise BadInput(f"{dataset}: {error}", reason=Reason.INVALID_DATASET) from error

    return told


def cross_entropy(dataset: str) -> Loss:
    """Cross entropy with the labels of a data set, which messages name."""
    return named(labelled("CrossEntropy"), dataset)


def labelled(kind: LossKind = "Auto", smoothing: float = 0.0) -> Loss:
    """Cross entropy or mean squared error with labels.

    Args:
        kind: Which; Auto goes by the type of the labels.
        smoothing: Share of each label that is spread over all classes (Szegedy et al., 2016); for
            cross entropy.
    """

    def loss(scores: torch.Tensor, _: calls.Tensors, batch: Batch) -> torch.Tensor:
        if _meets_numbers(kind, batch, scores):
            if smoothing:
                raise InvalidSpec("labelSmoothing is for labels that are classes: remove it")
            return functional.mse_loss(scores, samples.numbers_of(batch, scores))
        classes = samples.classes_of(batch, scores).flatten()
        rows = scores.reshape(-1, scores.shape[-1])
        counted = classes >= 0
        if not bool(counted.all()):
            rows, classes = rows[counted], classes[counted]
        if not len(classes):
            return scores.sum() * 0  # nothing to learn from, which is no error
        return functional.cross_entropy(rows, classes, label_smoothing=smoothing)

    return loss


class Teacher:
    """A model that does not learn, and follows the student to its device."""

    def __init__(self, module: nn.Module) -> None:
        """Take a model in evaluation mode."""
        self.module = module
        self._device: torch.device | None = None

    @torch.no_grad()
    def __call__(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Its first output, in 32 bits."""
        device = next(iter(inputs.values())).device
        if device != self._device:
            self.module.to(device)
            self._device = device
        return next(iter(calls.call(self.module, inputs).values())).float()


def taught(
    teacher: Teacher,
    hard: Loss,
    *,
    kind: LossKind,
    temperature: float,
    alpha: float,
    features: Distance | None = None,
) -> Loss:
    """(1 - alpha) hard + alpha T² KL(teacher ‖ student) + features, the outputs softened by T.

    The factor T² keeps the two terms in proportion, since softened gradients shrink by 1/T²
    (Hinton et al., 2015); the divergence is summed over classes, which are the last axis, and
    averaged over samples and positions; positions whose label is below 0 are left out. Where
    numbers are to be met, the second term is the mean squared error to the teacher's, without T.
    """

    def soft(scores: torch.Tensor, wanted: torch.Tensor, batch: Batch) -> torch.Tensor:
        if _meets_numbers(kind, batch, scores):
            return functional.mse_loss(scores, wanted)
        return temperature**2 * _divergence(scores, wanted, batch, temperature)

    def loss(scores: torch.Tensor, inputs: calls.Tensors, batch: Batch) -> torch.Tensor:
        total = scores.new_zeros(())
        if alpha > 0 or features is not None:
            wanted = teacher(inputs)
            total = total + alpha * soft(scores, wanted, batch)
        if alpha < 1:
            total = total + (1 - alpha) * hard(scores, inputs, batch)
        return total if features is None else total + features()

    return loss


def _divergence(
    scores: torch.Tensor, wanted: torch.Tensor, batch: Batch, temperature: float
) -> torch.Tensor:
    rows = scores.reshape(-1, scores.shape[-1])
    goals = wanted.reshape(-1, wanted.shape[-1])
    labels = batch.labels
    if labels is not None and labels.size == len(rows) and (labels < 0).any():
        counted = torch.from_numpy(labels.reshape(-1) >= 0).to(rows.device)
        rows, goals = rows[counted], goals[counted]
        if not len(rows):
            return scores.sum() * 0
    return functional.kl_div(
        functional.log_softmax(rows / temperature, dim=-1),
        functional.log_softmax(goals / temperature, dim=-1),
        reduction="batchmean",
        log_target=True,
    )


def _meets_numbers(kind: LossKind, batch: Batch, scores: torch.Tensor) -> bool:
    if kind == "Auto":
        return samples.are_numbers(batch, scores)
    return kind == "MeanSquaredError"
