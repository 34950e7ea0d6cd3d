"""What training has to keep of a model: zeros that are to stay zero, weights that share a value.

Both are seen in the weights themselves, so that only the names of the tensors are stored: the
zeros of a sparse tensor are its zeros, and the clusters of a shared one are its equal values.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True, slots=True)
class Constraints:
    """Names of parameters.

    Attributes:
        zeros: Whose zeros stay zero.
        shared: Whose equal values stay equal, each tensor for itself; zeros among them stay zero
            when they are in `zeros` too.
        pooled: Whose equal values stay equal across all of these tensors.
    """

    zeros: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    pooled: tuple[str, ...] = ()


class Hold:
    """Keeps the constraints of one model through training: call both around every update.

    A tensor that the model does not have any more, since nothing depended on it, is no constraint.
    """

    def __init__(self, module: nn.Module, constraints: Constraints) -> None:
        """Take note of the zeros and clusters that there are now."""
        known = dict(module.named_parameters())
        self._zeros = [(known[n], known[n] == 0) for n in constraints.zeros if n in known]
        groups = [(n,) for n in constraints.shared] + [constraints.pooled]
        present = [[known[n] for n in group if n in known] for group in groups]
        self._clusters = [_Clusters(parameters) for parameters in present if parameters]

    @torch.no_grad()
    def gradients(self) -> None:
        """After the backward pass: each shared value gets the sum of its weights' gradients.

        So it is the gradient of the shared value itself (Han et al., 2015, section 3.2).
        """
        for parameter, zeros in self._zeros:
            if parameter.grad is not None:
                parameter.grad.masked_fill_(zeros.to(parameter.grad.device), 0)
        for clusters in self._clusters:
            clusters.sum_gradients()

    @torch.no_grad()
    def weights(self) -> None:
        """After the update: zeros are zero, without a sign, and equal values equal to the bit."""
        for clusters in self._clusters:
            clusters.equalise()
        for parameter, zeros in self._zeros:
            parameter.masked_fill_(zeros.to(parameter.device), 0)


class _Clusters:
    """Which elements of some parameters share a value."""

    def __init__(self, parameters: Sequence[nn.Parameter]) -> None:
        self._parameters = parameters
        flat = torch.cat([parameter.detach().flatten() for parameter in parameters])
        values, inverse = torch.unique(flat, return_inverse=True)
        sizes = [parameter.numel() for parameter in parameters]
        self._of = torch.split_with_sizes(inverse, sizes)
        self._count = len(values)
        places = torch.arange(len(flat), device=flat.device)
        first = torch.full((self._count,), len(flat), device=flat.device)
        self._first = first.scatter_reduce(0, inverse, places, "amin")

    def sum_gradients(self) -> None:
        total: torch.Tensor | None = None
        for parameter, of in zip(self._parameters, self._of, strict=True):
            if (gradient := parameter.grad) is not None:
                sums = gradient.new_zeros(self._count)
                sums.index_add_(0, of.to(gradient.device), gradient.flatten())
                total = sums if total is None else total + sums
        if total is None:
            return
        for parameter, of in zip(self._parameters, self._of, strict=True):
            if parameter.grad is not None:
                parameter.grad.copy_(total[of.to(total.device)].view_as(parameter))

    def equalise(self) -> None:
        """Let every element take the value of the first of its cluster: sums round differently."""
        flat = torch.cat([parameter.detach().flatten() for parameter in self._parameters])
        value = flat[self._first.to(flat.device)]
        for parameter, of in zip(self._parameters, self._of, strict=True):
            parameter.copy_(value[of.to(flat.device)].view_as(parameter))
