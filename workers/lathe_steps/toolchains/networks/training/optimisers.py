"""Optimizers, with decoupled weight decay, and their state as named tensors."""

from collections.abc import Mapping

import torch
from torch import nn

from lathe_steps.toolchains.training import Training

_MOMENTUM = 0.9


def optimizer_of(module: nn.Module, settings: Training) -> torch.optim.Optimizer:
    """The optimizer of every parameter of a module, which is on its device already.

    Biases and normalisations, which have one axis, are in a group of their own: no decay.
    """
    parameters = [p for p in module.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.dim() > 1], "weight_decay": settings.weight_decay},
        {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0},
    ]
    rate = settings.learning_rate
    if settings.optimizer == "SGD":
        for group in groups:
            group["decay"] = group.pop("weight_decay")  # torch's is not decoupled for SGD
        return torch.optim.SGD(groups, lr=rate, momentum=_MOMENTUM, nesterov=True, fused=True)
    return torch.optim.AdamW(groups, lr=rate, fused=True)


@torch.no_grad()
def update(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """One update with the gradients that there are.

    Weights shrink apart from the gradient (Loshchilov and Hutter, 2019), for both optimizers.
    """
    for group in optimizer.param_groups:
        group["lr"] = rate
        if decay := group.get("decay"):
            for parameter in group["params"]:
                parameter.mul_(1 - rate * decay)
    optimizer.step()


def clip(module: nn.Module, settings: Training) -> None:
    """Scale the gradients of all weights together down to `clip_norm`."""
    if settings.clip_norm is not None:
        nn.utils.clip_grad_norm_(module.parameters(), settings.clip_norm)


def tensors_of(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """What an optimizer remembers, by `<number of the parameter>.<what it is>`."""
    return {
        f"{number}.{key}": value
        for number, remembered in optimizer.state_dict()["state"].items()
        for key, value in remembered.items()
        if isinstance(value, torch.Tensor)
    }


def restore(optimizer: torch.optim.Optimizer, tensors: Mapping[str, torch.Tensor]) -> None:
    """Let an optimizer of the same parameters remember what `tensors_of` has given."""
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in tensors.items():
        number, _, key = name.partition(".")
        state.setdefault(int(number), {})[key] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
