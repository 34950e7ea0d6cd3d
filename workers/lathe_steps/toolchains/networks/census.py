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
