"""What training makes small."""

import torch
from torch import nn
from torch.nn import functional

from lathe_steps.base import Batch
from lathe_steps.toolchains.networks import calls, samples
from lathe_steps.toolchains.networks.trainer import Loss


def cross_entropy(dataset: str) -> Loss:
    """Cross entropy with the labels of a data set."""

    def loss(scores: torch.Tensor, _: calls.Tensors, batch: Batch) -> torch.Tensor:
        return functional.cross_entropy(scores, samples.labels_of(batch, scores, dataset))

    return loss


def distillation(teacher: nn.Module, dataset: str, *, temperature: float, alpha: float) -> Loss:
    """(1 - alpha) cross entropy + alpha T² KL(teacher ‖ student), both softened by T.

    The factor T² keeps the two terms in proportion, since softened gradients shrink by 1/T²
    (Hinton et al., 2015); the divergence is summed over classes and averaged over samples.
    """
    hard = cross_entropy(dataset)

    def loss(scores: torch.Tensor, inputs: calls.Tensors, batch: Batch) -> torch.Tensor:
        teacher.to(scores.device)
        with torch.no_grad():
            wanted = next(iter(calls.call(teacher, inputs).values())).float()
        soft = functional.kl_div(
            functional.log_softmax(scores / temperature, dim=1),
            functional.log_softmax(wanted / temperature, dim=1),
            reduction="batchmean",
            log_target=True,
        )
        total = alpha * temperature**2 * soft
        if alpha < 1:
            total = total + (1 - alpha) * hard(scores, inputs, batch)
        return total

    return loss
