"""What a model weighs and what one call of it costs."""

from typing import Any

import torch
from torch import nn

from lathe_steps.toolchains.networks import calls

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def operations(module: nn.Module, inputs: calls.Tensors) -> dict[str, int]:
    """Multiply-accumulate operations of one call, by convolution and linear layer.

    Args:
        module: The model.
        inputs: The call's inputs; divide by the batch for the operations of one sample.
    """
    counts: dict[str, int] = {}

    def record(name: str, layer: nn.Module, outputs: torch.Tensor) -> None:
        weight: Any = layer.weight
        counts[name] = counts.get(name, 0) + outputs.numel() * weight[0].numel()

    hooks = [
        layer.register_forward_hook(
            lambda layer, _, outputs, name=name: record(name, layer, outputs)
        )
        for name, layer in module.named_modules()
        if isinstance(layer, (*_CONVOLUTIONS, nn.Linear))
    ]
    try:
        with torch.no_grad():
            calls.call(module, inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return counts


def unused(module: nn.Module, inputs: calls.Tensors) -> tuple[str, ...]:
    """Names of the topmost modules with weights none of which the outputs depend on.

    Such are the auxiliary heads of GoogLeNet and Inception, which only training uses.
    """
    outputs = [t for t in calls.call(module, inputs).values() if t.requires_grad]
    total = torch.stack([output.sum() for output in outputs]).sum()
    names, parameters = zip(*module.named_parameters(), strict=True)
    gradients: tuple[torch.Tensor | None, ...] = torch.autograd.grad(
        total, parameters, allow_unused=True, materialize_grads=False
    )
    idle = {name for name, gradient in zip(names, gradients, strict=True) if gradient is None}
    found: list[str] = []
    for name, child in module.named_modules():
        owned = {f"{name}.{leaf}" for leaf, _ in child.named_parameters()}
        within = any(name.startswith(f"{top}.") for top in found)
        if name and owned and owned <= idle and not within:
            found.append(name)
    return tuple(found)
