"""Attention whose heads are known, and where they lie in its weights.

The kinds are few, since that is a matter of each: Lathe's own Attention, timm's Attention, and
BERT's of transformers.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from lathe_steps.toolchains.networks.models.attention import Attention, SelfAttention


@dataclass(frozen=True, slots=True)
class Split:
    """A linear layer whose outputs are heads.

    Attributes:
        name: Of the layer.
        times: How many times the heads stand in its outputs: three for queries, keys and values
            in one layer.
    """

    name: str
    times: int = 1


@dataclass(frozen=True, slots=True)
class Heads:
    """The heads of one attention.

    Attributes:
        name: Of the attention.
        count: How many heads there are.
        splits: The layers that give them.
        join: Name of the layer that takes them.
        counters: Attributes that hold the count, and those that hold the channels of all heads,
            as (module, attribute, per head).
    """

    name: str
    count: int
    splits: tuple[Split, ...]
    join: str
    counters: tuple[tuple[str, str, int], ...]

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of all its layers."""
        return (*(split.name for split in self.splits), self.join)


def find(module: nn.Module) -> tuple[Heads, ...]:
    """Every attention of a known kind, in the order of the model."""
    return tuple(found for name, part in module.named_modules() for found in _known(name, part))


def projections(module: nn.Module) -> list[nn.Module]:
    """Layers whose outputs are split into heads, and can only lose whole ones.

    With them the outputs of what stands in for torch's attention, whose width the models that
    have it count on.
    """
    split = [module.get_submodule(split.name) for each in find(module) for split in each.splits]
    return [*split, *(part.output for part in module.modules() if isinstance(part, SelfAttention))]


def _known(name: str, part: Any) -> Iterator[Heads]:  # noqa: ANN401 - any module
    package, kind = type(part).__module__.partition(".")[0], type(part).__name__
    at = f"{name}." if name else ""
    if isinstance(part, Attention):
        splits = tuple(Split(f"{at}{leaf}") for leaf in ("query", "key", "value"))
        yield Heads(name, part.heads, splits, f"{at}output", ((name, "heads", 1),))
    elif (package, kind) == ("timm", "Attention") and hasattr(part, "attn_dim"):
        if part.gate is None and not list(part.norm.parameters()):
            counters = ((name, "num_heads", 1), (name, "attn_dim", part.head_dim))
            splits = (Split(f"{at}qkv", 3),)
            yield Heads(name, part.num_heads, splits, f"{at}proj", counters)
    elif (package, kind) == ("transformers", "BertAttention"):
        inner = f"{at}self"
        size = part.self.attention_head_size
        yield Heads(
            name,
            part.self.num_attention_heads,
            tuple(Split(f"{inner}.{leaf}") for leaf in ("query", "key", "value")),
            f"{at}output.dense",
            ((inner, "num_attention_heads", 1), (inner, "all_head_size", size)),
        )


def scores(module: nn.Module, heads: Heads, power: int) -> torch.Tensor:
    """The sum of the weights of each head, each to a power."""
    total = torch.zeros(heads.count)
    for split in heads.splits:
        weight = module.get_parameter(f"{split.name}.weight").detach()
        total += weight.abs().pow(power).view(split.times, heads.count, -1).sum(dim=(0, 2))
    weight = module.get_parameter(f"{heads.join}.weight").detach()
    return total + weight.abs().pow(power).view(len(weight), heads.count, -1).sum(dim=(0, 2))


def silence(module: nn.Module, heads: Heads, doomed: list[int]) -> torch.Tensor:
    """Let nobody listen to some heads; gives what the weights of the layer that does were."""
    weight = module.get_parameter(f"{heads.join}.weight")
    was = weight.detach().clone()
    with torch.no_grad():
        weight.view(len(weight), heads.count, -1)[:, doomed] = 0
    return was


@torch.no_grad()
def keep(module: nn.Module, heads: Heads, kept: list[int]) -> None:
    """Remove all heads but some, in place."""
    for split in heads.splits:
        layer: Any = module.get_submodule(split.name)
        shape = (split.times, heads.count, -1)
        layer.weight = nn.Parameter(
            layer.weight.view(*shape, layer.in_features)[:, kept].flatten(0, 2).contiguous()
        )
        if layer.bias is not None:
            layer.bias = nn.Parameter(layer.bias.view(shape)[:, kept].flatten().contiguous())
        layer.out_features = len(layer.weight)
    join: Any = module.get_submodule(heads.join)
    columns = join.weight.view(join.out_features, heads.count, -1)[:, kept]
    join.weight = nn.Parameter(columns.flatten(1).contiguous())
    join.in_features = join.weight.shape[1]
    for owner, attribute, per_head in heads.counters:
        setattr(module.get_submodule(owner), attribute, per_head * len(kept))
