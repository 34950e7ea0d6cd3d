"""Layers in thin parts: the best approximation of their weights with few ranks.

Matrices by singular value decomposition (Eckart and Young, 1936); kernels of convolutions by
Tucker decomposition of their two channel axes (Kim et al., 2016: Compression of Deep Convolutional
Neural Networks for Fast and Low Power Mobile Applications), whose factors are those of the two
unfoldings (De Lathauwer et al., 2000).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import nn

Layer = nn.Linear | nn.Conv2d | nn.Embedding
_STEPS = 30


class Parts(NamedTuple):
    """A layer in parts.

    Attributes:
        module: Computes nearly the same as the layer.
        ranks: Channels between the parts: one number, or those of the inputs and of the outputs.
        energy: Share of the squared weights that the parts still hold.
    """

    module: nn.Sequential
    ranks: tuple[int, ...]
    energy: float


@dataclass(frozen=True, slots=True)
class Wanted:
    """How thin the parts are to be; exactly one is given.

    Attributes:
        rank: Channels between the parts, at most.
        energy: Share of the squared weights to keep along each axis.
        params: Share of the layer's weights to keep.
    """

    rank: int | None = None
    energy: float | None = None
    params: float | None = None


def is_divisible(module: nn.Module) -> bool:
    """Whether a module is a layer that can be written in parts."""
    if type(module) is nn.Conv2d:
        return module.groups == 1
    if type(module) is nn.Embedding:
        return module.max_norm is None
    return type(module) is nn.Linear


@torch.no_grad()
def parts(layer: Layer, wanted: Wanted) -> Parts:
    """Write a layer in two parts, or a convolution with a kernel in three."""
    if isinstance(layer, nn.Conv2d) and layer.weight[0, 0].numel() > 1:
        return _tucker(layer, wanted)
    left, right, energy = _matrices(layer.weight.flatten(1), wanted)
    rank = left.shape[1]
    first: nn.Module
    last: nn.Linear | nn.Conv2d
    if isinstance(layer, nn.Embedding):
        first = nn.Embedding(layer.num_embeddings, rank, padding_idx=layer.padding_idx)
        last = nn.Linear(rank, layer.embedding_dim, bias=False)
        left, right = right.T, left
    elif isinstance(layer, nn.Linear):
        first = nn.Linear(layer.in_features, rank, bias=False)
        last = nn.Linear(rank, layer.out_features, bias=layer.bias is not None)
    else:
        first = _like(layer, layer.in_channels, rank, bias=False)
        last = nn.Conv2d(rank, layer.out_channels, 1, bias=layer.bias is not None)
    _fill(first, right)
    _fill(last, left)
    return _done(layer, (first, last), (rank,), energy)


def _matrices(matrix: torch.Tensor, wanted: Wanted) -> tuple[torch.Tensor, torch.Tensor, float]:
    """Two factors of a matrix, the weights shared evenly between them."""
    u, values, v = torch.linalg.svd(matrix, full_matrices=False)
    rows, columns = matrix.shape
    rank = len(values)
    if wanted.rank is not None:
        rank = min(wanted.rank, rank)
    elif wanted.energy is not None:
        rank = _rank_of(values, wanted.energy)
    elif wanted.params is not None:
        rank = max(1, min(int(wanted.params * rows * columns / (rows + columns)), rank))
    root = values[:rank].sqrt()
    return u[:, :rank] * root, root[:, None] * v[:rank], _energy(values, rank)


def _tucker(layer: nn.Conv2d, wanted: Wanted) -> Parts:
    weight = layer.weight
    out_factor, out_values, _ = torch.linalg.svd(weight.flatten(1), full_matrices=False)
    in_factor, in_values, _ = torch.linalg.svd(
        weight.transpose(0, 1).flatten(1), full_matrices=False
    )
    outs, ins = _tucker_ranks(layer, wanted, out_values, in_values)
    u, v = out_factor[:, :outs], in_factor[:, :ins]
    core = torch.einsum("oihw,or,is->rshw", weight, u, v)
    first = nn.Conv2d(layer.in_channels, ins, 1, bias=False)
    middle = _like(layer, ins, outs, bias=False)
    last = nn.Conv2d(outs, layer.out_channels, 1, bias=layer.bias is not None)
    _fill(first, v.T)
    _fill(middle, core)
    _fill(last, u)
    energy = float(core.square().sum() / weight.square().sum().clamp_min(1e-30))
    return _done(layer, (first, middle, last), (ins, outs), energy)


def _tucker_ranks(
    layer: nn.Conv2d, wanted: Wanted, out_values: torch.Tensor, in_values: torch.Tensor
) -> tuple[int, int]:
    most = len(out_values), len(in_values)
    if wanted.rank is not None:
        return min(wanted.rank, most[0]), min(wanted.rank, most[1])
    if wanted.energy is not None:
        return _rank_of(out_values, wanted.energy), _rank_of(in_values, wanted.energy)
    kernel = layer.weight[0, 0].numel()
    budget = (wanted.params or 1.0) * layer.weight.numel()

    def ranks(share: float) -> tuple[int, int]:
        outs, ins = int(share * layer.out_channels), int(share * layer.in_channels)
        return max(1, min(outs, most[0])), max(1, min(ins, most[1]))

    def fits(share: float) -> bool:
        outs, ins = ranks(share)
        cost = layer.in_channels * ins + ins * outs * kernel + outs * layer.out_channels
        return cost <= budget

    return ranks(_largest(fits))


def _largest(fits: Callable[[float], bool]) -> float:
    """The largest share that fits, where smaller ones fit too."""
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _rank_of(values: torch.Tensor, energy: float) -> int:
    """The fewest singular values that hold a share of the sum of all their squares."""
    held = values.double().square().cumsum(0)
    return min(int((held < energy * held[-1]).sum()) + 1, len(values))


def _energy(values: torch.Tensor, rank: int) -> float:
    squares = values.double().square()
    return float(squares[:rank].sum() / squares.sum().clamp_min(1e-30))


def _like(layer: nn.Conv2d, ins: int, outs: int, *, bias: bool) -> nn.Conv2d:
    """A convolution that moves over the image as another one does."""
    return nn.Conv2d(
        ins,
        outs,
        layer.kernel_size,  # type: ignore[arg-type]  # torch says that it is a tuple of any length
        stride=layer.stride,  # type: ignore[arg-type]
        padding=layer.padding,  # type: ignore[arg-type]
        dilation=layer.dilation,  # type: ignore[arg-type]
        bias=bias,
        padding_mode=layer.padding_mode,
    )


def _fill(module: nn.Module, weight: torch.Tensor) -> None:
    held = module.get_parameter("weight")
    held.copy_(weight.reshape(held.shape))


def _done(
    layer: Layer, modules: tuple[nn.Module, ...], ranks: tuple[int, ...], energy: float
) -> Parts:
    if not isinstance(layer, nn.Embedding) and layer.bias is not None:
        modules[-1].get_parameter("bias").copy_(layer.bias)
    return Parts(nn.Sequential(*modules).eval(), ranks, energy)
