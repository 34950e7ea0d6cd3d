"""What a model weighs and what one call of it costs."""

from typing import Any, NamedTuple

import torch
from torch import nn

from lathe_steps.toolchains.networks import calls

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_PROJECTIONS = 4
"""Of attention: to queries, keys and values, and back."""


class Figures(NamedTuple):
    """What a model weighs and costs.

    Attributes:
        params: Count of weights.
        macs: Multiply-accumulate operations per sample.
    """

    params: int
    macs: int


def figures(module: nn.Module, inputs: calls.Tensors) -> Figures:
    """Count weights, and operations per sample of these inputs."""
    batch = len(next(iter(inputs.values())))
    params = sum(parameter.numel() for parameter in module.parameters())
    return Figures(params, sum(operations(module, inputs).values()) // batch)


def facts(before: Figures, after: Figures) -> dict[str, float | int | str]:
    """Both as facts of a step."""
    return {
        "params_before": before.params,
        "params": after.params,
        "macs_before": before.macs,
        "macs": after.macs,
    }


def operations(module: nn.Module, inputs: calls.Tensors) -> dict[str, int]:
    """Multiply-accumulate operations of one call, by convolution, linear layer and attention.

    Of attention, its projections are counted.

    Args:
        module: The model.
        inputs: The call's inputs; divide by the batch for the operations of one sample.
    """
    counts: dict[str, int] = {}

    def record(name: str, layer: nn.Module, outputs: Any) -> None:  # noqa: ANN401
        counts[name] = counts.get(name, 0) + _of_call(layer, outputs)

    hooks = [
        layer.register_forward_hook(
            lambda layer, _, outputs, name=name: record(name, layer, outputs)
        )
        for name, layer in module.named_modules()
        if isinstance(layer, (*_CONVOLUTIONS, nn.Linear, nn.MultiheadAttention))
    ]
    try:
        with torch.no_grad():
            calls.call(module, inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return counts


def _of_call(layer: Any, outputs: Any) -> int:  # noqa: ANN401 - of the kinds above
    if isinstance(layer, nn.MultiheadAttention):
        return int(outputs[0].numel() * _PROJECTIONS * layer.embed_dim)
    return int(outputs.numel() * layer.weight[0].numel())
