"""Training with gradients: the loop that all training steps share."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, islice

import torch
from torch import nn

from lathe_steps.base import Batch, Dataset
from lathe_steps.errors import Internal
from lathe_steps.toolchains.networks import calls, samples, unused
from lathe_steps.toolchains.networks.constraints import Hold
from lathe_steps.toolchains.networks.model import Network
from lathe_steps.toolchains.training import Training

Loss = Callable[[torch.Tensor, calls.Tensors, Batch], torch.Tensor]
"""From the student's scores, the inputs and the batch to a number to make small."""

_WARM_UP = 0.05
_MOMENTUM = 0.9


@dataclass(frozen=True, slots=True)
class Course:
    """One training: what on, how, and for how long.

    Attributes:
        step: Kind of the step, for messages.
        settings: How to train.
        dataset: What to train on.
        seed: Makes it repeatable.
        progress: Called with the share done and a short message.
    """

    step: str
    settings: Training
    dataset: Dataset
    seed: int
    progress: Callable[[float, str], None]

    @property
    def updates(self) -> int:
        """How many batches are trained on."""
        whole = self._batches_per_epoch * self.settings.epochs
        return min(whole, self.settings.max_steps or whole)

    @property
    def _batches_per_epoch(self) -> int:
        """All batches but a last one of a single sample, which normalisations cannot learn from."""
        full, rest = divmod(len(self.dataset), self.settings.batch_size)
        return full + (rest > 1 or (rest == 1 and not full))

    def batches(self) -> Iterator[Batch]:
        """Every batch to train on, in an order that only the seed decides."""
        epochs = (
            islice(
                self.dataset.batches(self.settings.batch_size, shuffle=self.seed + epoch),
                self._batches_per_epoch,
            )
            for epoch in range(self.settings.epochs)
        )
        return islice(chain.from_iterable(epochs), self.updates)


def train(network: Network, course: Course, loss: Loss) -> dict[str, float | int | str]:
    """Train a network in place, on the GPU where there is one, and leave it in evaluation mode.

    What its outputs do not depend on is removed before.

    Returns:
        Facts: how many updates, and the mean loss over the first and the last tenth of them.

    Raises:
        BadInput: When the data set's samples or labels do not fit the model.
        Internal: StepFailed, when the loss is no number any more.
    """
    sizes = calls.workable_sizes(network.module, network.inputs)
    unused.drop(network.module, calls.random_inputs(network.inputs, sizes))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with torch.random.fork_rng():
        torch.manual_seed(course.seed)
        network.module.to(device).train()
        try:
            losses = _updates(network, course, loss, device)
        finally:
            network.module.to("cpu").eval()
    tenth = max(1, len(losses) // 10)
    return {
        "updates": len(losses),
        "loss_first": sum(losses[:tenth]) / tenth,
        "loss_last": sum(losses[-tenth:]) / tenth,
    }


def _updates(network: Network, course: Course, loss: Loss, device: torch.device) -> list[float]:
    optimizer = _optimizer(network.module, course.settings)
    hold = Hold(network.module, network.constraints)
    low = course.settings.precision == "BF16"
    total, losses = course.updates, []
    for done, batch in enumerate(course.batches()):
        _set_rate(optimizer, _rate(course.settings, done, total))
        inputs = samples.tensors_of(batch, network.inputs, course.dataset.name)
        inputs = {name: tensor.to(device) for name, tensor in inputs.items()}
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=low):
            scores = next(iter(calls.call(network.module, inputs).values()))
            value = loss(scores.float(), inputs, batch)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(value)
        hold.gradients()
        _decay(optimizer, course.settings)
        optimizer.step()
        hold.weights()
        losses.append(_finite(value.item(), done, course))
        if done * 100 // total != (done + 1) * 100 // total:
            course.progress((done + 1) / total, f"batch {done + 1}/{total}, loss {losses[-1]:.3f}")
    return losses


def _finite(loss: float, done: int, course: Course) -> float:
    if not math.isfinite(loss):
        raise Internal(
            f"{course.step}: the loss became {loss} at batch {done + 1}; lower learningRate "
            f"({course.settings.learning_rate:g})"
        )
    return loss


def _optimizer(module: nn.Module, settings: Training) -> torch.optim.Optimizer:
    """Biases and normalisations, which have one axis, are in a group of their own: no decay."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.dim() > 1], "decays": True},
        {"params": [p for p in parameters if p.dim() <= 1], "decays": False},
    ]
    rate = settings.learning_rate
    if settings.optimizer == "SGD":
        return torch.optim.SGD(groups, lr=rate, momentum=_MOMENTUM, nesterov=True)
    return torch.optim.AdamW(groups, lr=rate, weight_decay=0)


@torch.no_grad()
def _decay(optimizer: torch.optim.Optimizer, settings: Training) -> None:
    """Shrink weights apart from the gradient (Loshchilov and Hutter, 2019), for both optimizers."""
    for group in optimizer.param_groups:
        if group["decays"] and settings.weight_decay:
            for parameter in group["params"]:
                parameter.mul_(1 - group["lr"] * settings.weight_decay)


def _rate(settings: Training, done: int, total: int) -> float:
    """The learning rate of one update."""
    if settings.schedule == "Constant":
        return settings.learning_rate
    warm_up = max(1, round(_WARM_UP * total))
    if done < warm_up:
        return settings.learning_rate * (done + 1) / warm_up
    share = (done - warm_up) / max(1, total - warm_up)
    return settings.learning_rate * (1 + math.cos(math.pi * share)) / 2


def _set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate
