"""What training has to keep of a model: zeros that are to stay zero, weights that share a value.

Both are seen in the weights themselves, so that only the names of the tensors are stored: the
zeros of a sparse tensor are its zeros, and the clusters of a shared one are its equal values.
"""

from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True, slots=True)
class Constraints:
    """Names of parameters.

    Attributes:
        zeros: Whose zeros stay zero.
        shared: Whose equal values stay equal; zeros among them stay zero when they are in
            `zeros` too.
    """

    zeros: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()


class Hold:
    """Keeps the constraints of one model through training: call both around every update."""

    def __init__(self, module: nn.Module, constraints: Constraints) -> None:
        """Take note of the zeros and clusters that there are now."""
        parameters = dict(module.named_parameters())
        self._masks = [(parameters[n], parameters[n] != 0) for n in constraints.zeros]
        self._clusters = [_Clusters(parameters[n]) for n in constraints.shared]

    def gradients(self) -> None:
        """After the backward pass: each shared value gets the sum of its weights' gradients."""
        for parameter, mask in self._masks:
            if parameter.grad is not None:
                parameter.grad.mul_(mask.to(parameter.grad.device))
        for clusters in self._clusters:
            clusters.sum_gradients()

    @torch.no_grad()
    def weights(self) -> None:
        """After the update: zeros are zero and equal values equal to the bit."""
        for clusters in self._clusters:
            clusters.equalise()
        for parameter, mask in self._masks:
            parameter.mul_(mask.to(parameter.device))


class _Clusters:
    """Which elements of a parameter share a value."""

    def __init__(self, parameter: nn.Parameter) -> None:
        self._parameter = parameter
        values, inverse = torch.unique(parameter.detach(), return_inverse=True)
        self._of = inverse.flatten()
        self._count = len(values)

    def sum_gradients(self) -> None:
        gradient = self._parameter.grad
        if gradient is None:
            return
        of = self._of.to(gradient.device)
        sums = torch.zeros(self._count, device=gradient.device, dtype=gradient.dtype)
        sums.index_add_(0, of, gradient.flatten())
        gradient.copy_(sums[of].view_as(gradient))

    def equalise(self) -> None:
        """Let every element take the value of one of its cluster: sums round differently."""
        flat = self._parameter.data.flatten()
        of = self._of.to(flat.device)
        value = torch.empty(self._count, device=flat.device, dtype=flat.dtype)
        value[of] = flat
        self._parameter.data.copy_(value[of].view_as(self._parameter))
