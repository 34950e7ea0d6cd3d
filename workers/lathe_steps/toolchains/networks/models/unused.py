"""Parts of a model that its outputs do not depend on, such as GoogLeNet's auxiliary heads.

Only the training that its authors did needs them. They would be pruned into shapes that do not
fit, and some fail on small images.
"""

import torch
from torch import nn

from lathe_steps.toolchains.networks import calls
from lathe_steps.toolchains.networks.models import structure


def drop(module: nn.Module, inputs: calls.Tensors) -> tuple[str, ...]:
    """Let an identity stand in for each of them, in place, and return their names."""
    names = unused(module, inputs)
    for name in names:
        structure.replace(module, name, nn.Identity())
    return names


def unused(module: nn.Module, inputs: calls.Tensors) -> tuple[str, ...]:
    """Names of the topmost modules with weights none of which the outputs depend on."""
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
