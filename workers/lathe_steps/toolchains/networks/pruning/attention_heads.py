"""Removing heads of attention from a network until a share of its weights or operations is left."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from lathe_steps.errors import Internal, InvalidSpec
from lathe_steps.reasons import Reason
from lathe_steps.toolchains.graphs.comparison import largest_difference
from lathe_steps.toolchains.networks import calls
from lathe_steps.toolchains.networks.models import structure
from lathe_steps.toolchains.networks.models.attention import SelfAttention
from lathe_steps.toolchains.networks.models.model import Network
from lathe_steps.toolchains.networks.models.selecting import ignored
from lathe_steps.toolchains.networks.pruning import budget, channels, heads, pruning
from lathe_steps.toolchains.networks.pruning.heads import Heads
from lathe_steps.toolchains.networks.pruning.wishes import Wish, weighed

_TOLERANCE = 1e-4
_POWERS = {"L1": 1, "L2": 2, "Taylor": 1}


def remove(network: Network, wish: Wish, share: float, *, seed: int) -> None:
    """Rank, choose, remove and check, in place; every attention keeps at least one head.

    Args:
        network: The model.
        wish: What to remove first.
        share: Of what the model costs now, to be reached or passed.
        seed: Makes the importance Random repeatable.

    Raises:
        InvalidSpec: When the model has no attention of a known kind, when nothing matches an
            entry of ignore, or when the share cannot be reached.
        Internal: UnsupportedModel, when the model does not give what it should without heads.
    """
    module = network.module
    inputs = calls.random_inputs(network.inputs, calls.workable_sizes(module, network.inputs))
    left_alone = set(ignored(module, wish.ignore, "prune.ignore"))
    _open(module, inputs, left_alone)
    found = [each for each in heads.find(module) if not _named(module, each) & left_alone]
    if not found:
        raise InvalidSpec(
            "prune.granularity: the model has no attention whose heads are known (Lathe's, "
            "torch's MultiheadAttention, timm's, BERT's), or all of it is ignored"
        )
    with weighed(network, wish, seed):
        scores = [_scores(module, each, wish.importance) for each in found]
    choices = [
        budget.Choice(tuple(of), 1, _cuts(each)) for each, of in zip(found, scores, strict=True)
    ]
    kept = pruning.within_budget(module, choices, wish, share, inputs)
    doomed = [channels.least(s, len(s) - n) for s, n in zip(scores, kept, strict=True)]
    expected = _without(module, found, doomed, inputs)
    for each, gone in zip(found, doomed, strict=True):
        if gone:
            heads.keep(module, each, [head for head in range(each.count) if head not in gone])
    names = [each.name for each, gone in zip(found, doomed, strict=True) if gone]
    pruning.check(module, inputs, expected, names, "heads")


def _open(module: nn.Module, inputs: calls.Tensors, left_alone: set[nn.Module]) -> None:
    """Let attention whose heads can be taken out stand in for torch's, which computes the same."""
    with torch.no_grad():
        expected = calls.call(module, inputs)
    changed = []
    for name, part in list(module.named_modules()):
        if _is_simple(part) and part not in left_alone:
            structure.replace(module, name, _opened(part))
            changed.append(name)
    if not changed:
        return
    try:
        with torch.no_grad():
            found = calls.call(module, inputs)
    except calls.COMPLAINTS as error:
        raise _unknown(changed, str(error).partition("\n")[0]) from error
    difference = largest_difference(calls.arrays_of(expected), calls.arrays_of(found))
    if not difference.relative <= _TOLERANCE:
        raise _unknown(changed, f"{difference.output} would be another")


def _unknown(names: Sequence[str], why: str) -> Internal:
    return Internal(
        f"prune: heads of {names[0]} cannot be removed: {why}; list it in prune.ignore",
        reason=Reason.UNSUPPORTED_MODEL,
    )


def _is_simple(part: Any) -> bool:  # noqa: ANN401 - any module
    if type(part) is not nn.MultiheadAttention:
        return False
    plain = part.bias_k is None and not part.add_zero_attn
    return plain and hasattr(part.in_proj_weight, "chunk")


@torch.no_grad()
def _opened(part: Any) -> SelfAttention:  # noqa: ANN401 - a MultiheadAttention
    bias = part.in_proj_bias is not None
    opened = SelfAttention(
        part.embed_dim, part.num_heads, part.head_dim, bias=bias, batch_first=part.batch_first
    )
    layers = (opened.query, opened.key, opened.value)
    for layer, weight in zip(layers, part.in_proj_weight.chunk(3), strict=True):
        layer.weight.copy_(weight)
    opened.output.weight.copy_(part.out_proj.weight)
    if bias:
        for layer, values in zip(layers, part.in_proj_bias.chunk(3), strict=True):
            layer.bias.copy_(values)
        opened.output.bias.copy_(part.out_proj.bias)
    return opened.eval()


def _named(module: nn.Module, each: Heads) -> set[nn.Module]:
    return {module.get_submodule(name) for name in (each.name, *each.layers)}


def _scores(module: nn.Module, each: Heads, importance: str) -> list[float]:
    if importance == "Random":
        return torch.rand(each.count).tolist()
    if importance not in _POWERS:
        raise InvalidSpec(f"prune.importance: heads have no {importance}; choose L2")
    scores = heads.scores(module, each, _POWERS[importance])
    if importance != "Taylor":  # norms compare within a layer, losses everywhere
        scores = scores / scores.mean()
    return scores.tolist()


def _cuts(each: Heads) -> tuple[budget.Cut, ...]:
    share = 1 / each.count
    given = (budget.Cut(split.name, "out", share) for split in each.splits)
    return (*given, budget.Cut(each.join, "in", share))


def _without(
    module: nn.Module, found: Sequence[Heads], doomed: Sequence[list[int]], inputs: calls.Tensors
) -> calls.Tensors:
    """Outputs when the doomed heads are there but nobody listens to them."""
    held = [
        (each, heads.silence(module, each, gone)) for each, gone in zip(found, doomed, strict=True)
    ]
    with torch.no_grad():
        outputs = calls.call(module, inputs)
        for each, was in held:
            module.get_parameter(f"{each.join}.weight").copy_(was)
    return outputs
