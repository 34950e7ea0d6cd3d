"""How to prune, as the parts of pruning understand it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import nn

from lathe_steps.toolchains.networks import calls, census
from lathe_steps.toolchains.networks.models.model import Network
from lathe_steps.toolchains.networks.pruning import budget, taylor

Measure = Literal["params", "flops"]


@dataclass(frozen=True, slots=True)
class Wish:
    """What to remove first; the fields are those of the step.

    Attributes:
        measure: What a share is a share of.
        importance: How units are ranked.
        scope: Whether they compete across the model, within their layer, or by `drops`.
        round_to: Channels are kept in multiples of this.
        ignore: Patterns of layers that are left alone.
        evidence: Samples, for what is ranked by them.
        drops: How much quality falls without each layer, for scope Sensitivity.
    """

    measure: Measure
    importance: str
    scope: str = "Global"
    round_to: int = 1
    ignore: tuple[str, ...] = ()
    evidence: taylor.Evidence | None = None
    drops: Mapping[str, float] | None = None


class Removal(Protocol):
    """Removes units of one kind."""

    def __call__(self, network: Network, wish: Wish, share: float, *, seed: int) -> None:
        """Rank, choose, remove and check, in place, until a share of the cost is left."""


@contextmanager
def weighed(network: Network, wish: Wish, seed: int) -> Iterator[None]:
    """Rank within: chance comes from the seed, and weights are importances for Taylor."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        if wish.importance == "Taylor" and wish.evidence is not None:
            values = taylor.importances(network, wish.evidence)
            with taylor.instead(network.module, values):
                yield
        else:
            yield


def cost(figures: census.Figures, measure: Measure) -> int:
    """What a model costs by a measure."""
    return figures.params if measure == "params" else figures.macs


def costs(module: nn.Module, measure: Measure, inputs: calls.Tensors) -> list[budget.Cost]:
    """What each tensor or layer contributes, and by which of its sides it falls."""
    if measure == "flops":
        counts = census.operations(module, inputs)
        return [
            budget.Cost(count, name, _sides(module.get_submodule(name), 2))
            for name, count in counts.items()
        ]
    return [
        budget.Cost(parameter.numel(), name, _sides(child, parameter.dim()))
        for name, child in module.named_modules()
        for parameter in child.parameters(recurse=False)
    ]


def _sides(layer: nn.Module, dimensions: int) -> tuple[budget.Side, ...]:
    """The dimensions of a layer's tensor that get shorter with its outputs and its inputs."""
    depthwise = getattr(layer, "groups", 1) == getattr(layer, "out_channels", 0)
    both = isinstance(layer, nn.modules.conv._ConvNd | nn.Linear) and not depthwise  # noqa: SLF001
    return ("out", "in") if both and dimensions > 1 else ("out",)
