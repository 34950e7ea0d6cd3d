"""Pruning a network to a share of its weights or of its operations."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, Literal

import torch
from torch import nn

from lathe_steps.errors import Internal, InvalidSpec
from lathe_steps.reasons import Reason
from lathe_steps.toolchains.graphs.comparison import largest_difference
from lathe_steps.toolchains.networks import budget, calls, census, channels, unused
from lathe_steps.toolchains.networks.model import Network

Measure = Literal["params", "flops"]
_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class Wish:
    """How to prune; the fields are those of the step."""

    measure: Measure
    share: float
    importance: str
    local: bool
    round_to: int
    ignore: tuple[str, ...]


def prune(
    network: Network,
    wish: Wish,
    iterations: int,
    *,
    seed: int,
    progress: Callable[[float, str], None],
) -> dict[str, float | int | str]:
    """Remove channels, in place, until the share of the cost is reached or passed.

    Args:
        network: The model.
        wish: How to prune.
        iterations: In how many passes; each keeps the same share of what the one before left.
        seed: Makes the importance Random repeatable.
        progress: Called with the share done and a short message.

    Returns:
        Facts: weights, and operations per sample, before and after.

    Raises:
        InvalidSpec: When nothing matches an entry of ignore, when the importance is undefined for
            this model, or when the share cannot be reached.
        Internal: UnsupportedModel, when torch-pruning cannot follow the model, or removes
            something else than what it ranked.
    """
    module = network.module
    inputs = calls.random_inputs(network.inputs, calls.workable_sizes(module, network.inputs))
    unused.drop(module, inputs)
    params, operations = _figures(network, inputs)
    whole = params if wish.measure == "params" else operations
    for done in range(iterations):
        progress(done / iterations, f"pass {done + 1}/{iterations}")
        now = _figures(network, inputs)[0 if wish.measure == "params" else 1]
        share = whole * wish.share ** ((done + 1) / iterations) / now
        _prune_once(module, replace(wish, share=share), inputs, seed + done)
    params_left, operations_left = _figures(network, inputs)
    batch = len(next(iter(inputs.values())))
    return {
        "params_before": params,
        "params": params_left,
        "macs_before": operations // batch,
        "macs": operations_left // batch,
    }


def _figures(network: Network, inputs: calls.Tensors) -> tuple[int, int]:
    return network.parameters, sum(census.operations(network.module, inputs).values())


def _prune_once(module: nn.Module, wish: Wish, inputs: calls.Tensors, seed: int) -> None:
    """One pass: rank, choose, remove, check; the wish's share is of what the model costs now."""
    if wish.share >= 1:  # an earlier pass, which removes in coarse units, went far enough
        return
    dependencies = channels.Dependencies(module, inputs)
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        groups = list(dependencies.groups(wish.importance, _ignored(module, wish.ignore)))
    if not groups:
        raise InvalidSpec(
            f"prune.importance: no channel of the model has an importance {wish.importance} and "
            "may be removed; choose L2, or ignore fewer layers"
        )
    chosen = _chosen(module, groups, wish, inputs)
    expected = _without(module, dependencies, chosen, inputs)
    for group, doomed in chosen:
        dependencies.remove(group.root, doomed)
    _check(module, inputs, expected, [group for group, _ in chosen])


Chosen = list[tuple[channels.ChannelGroup, list[int]]]
"""Groups with the channels that they are to lose."""


def _chosen(
    module: nn.Module, groups: Sequence[channels.ChannelGroup], wish: Wish, inputs: calls.Tensors
) -> Chosen:
    costs = _costs(module, wish.measure, inputs)
    choices = [
        budget.Choice(
            scores=_ranks(group.scores) if wish.local else group.scores,
            multiple=channels.multiple(wish.round_to, group.repeats),
            cuts=group.cuts,
        )
        for group in groups
    ]
    whole = sum(cost.amount for cost in costs)
    kept = budget.reach(costs, choices, wish.share * whole)
    reached = budget.left(costs, choices, kept) / whole
    if reached > wish.share:
        raise InvalidSpec(
            f"prune.target.{wish.measure}: {reached:.3f} of the model is left when as much is "
            f"removed as can be, so {wish.share:.3f} cannot be reached; raise it, lower roundTo "
            "or ignore fewer layers"
        )
    return [
        (group, group.channels(_least(group.scores, len(group.scores) - n)))
        for group, n in zip(groups, kept, strict=True)
        if n < len(group.scores)
    ]


def _least(scores: Sequence[float], count: int) -> list[int]:
    """The units of least importance."""
    return sorted(range(len(scores)), key=lambda unit: scores[unit])[:count]


def _ranks(scores: Sequence[float]) -> list[float]:
    """Scores that compare within a layer only: which share of its channels is less important."""
    places = {unit: place for place, unit in enumerate(_least(scores, len(scores)))}
    return [places[unit] / len(scores) for unit in range(len(scores))]


def _costs(module: nn.Module, measure: Measure, inputs: calls.Tensors) -> list[budget.Cost]:
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


def _ignored(module: nn.Module, patterns: Sequence[str]) -> list[nn.Module]:
    named = {name: child for name, child in module.named_modules() if name}
    found: list[nn.Module] = []
    for pattern in patterns:
        hits = [child for name, child in named.items() if fnmatchcase(name, pattern)]
        if not hits:
            layers = [name for name, child in named.items() if not list(child.children())]
            raise InvalidSpec(
                f"prune.ignore: no layer is named {pattern}; there are {', '.join(layers[:5])}, …"
            )
        found += [layer for hit in hits for layer in hit.modules()]
    return found


def _without(
    module: nn.Module, dependencies: channels.Dependencies, chosen: Chosen, inputs: calls.Tensors
) -> calls.Tensors | None:
    """Outputs when the doomed channels are there but nobody listens to them.

    The pruned model has to give the same. None where a normalisation across channels, which
    always listens, makes the two differ by nature.
    """
    if any(group.across for group, _ in chosen):
        return None
    held: list[tuple[torch.Tensor, torch.Tensor]] = []
    with torch.no_grad():
        for group, doomed in chosen:
            for name, taken in dependencies.taken_inputs(group.root, doomed).items():
                layer: Any = module.get_submodule(name)
                held.append((layer.weight, layer.weight.clone()))
                layer.weight[:, sorted({i % layer.weight.shape[1] for i in taken})] = 0
        outputs = calls.call(module, inputs)
        for weight, was in reversed(held):
            weight.copy_(was)
    return outputs


def _check(
    module: nn.Module,
    inputs: calls.Tensors,
    expected: calls.Tensors | None,
    groups: Sequence[channels.ChannelGroup],
) -> None:
    layers = ", ".join(group.root for group in groups[:3])
    try:
        with torch.no_grad():
            found = calls.call(module, inputs)
    except (RuntimeError, ValueError, IndexError) as error:
        raise Internal(
            f"prune: the model does not run without the channels removed from {layers}, …: "
            f"{str(error).partition(chr(10))[0]}; list what cannot be pruned in prune.ignore",
            reason=Reason.UNSUPPORTED_MODEL,
        ) from error
    if expected is None:
        return
    difference = largest_difference(calls.arrays_of(expected), calls.arrays_of(found))
    if not difference.relative <= _TOLERANCE:
        raise Internal(
            f"prune: removing channels of {layers}, … changed {difference.output} in another way "
            "than ignoring them would; list what cannot be pruned in prune.ignore",
            reason=Reason.UNSUPPORTED_MODEL,
        )
