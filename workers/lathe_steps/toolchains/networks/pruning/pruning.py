"""Removing channels from a network until a share of its weights or operations is left."""

from collections.abc import Sequence

import torch
from torch import nn

from lathe_steps.errors import Internal, InvalidSpec
from lathe_steps.reasons import Reason
from lathe_steps.toolchains.graphs.comparison import largest_difference
from lathe_steps.toolchains.networks import calls
from lathe_steps.toolchains.networks.models.model import Network
from lathe_steps.toolchains.networks.models.selecting import ignored
from lathe_steps.toolchains.networks.pruning import budget, channels, heads
from lathe_steps.toolchains.networks.pruning.wishes import Wish, costs, weighed

_TOLERANCE = 1e-3
_LEAST_WEIGHT = 0.1
"""Of a layer without which nothing is lost, against 1 of the one that matters most."""

Chosen = list[tuple[channels.ChannelGroup, list[int]]]
"""Groups with the channels that they are to lose."""


def remove(network: Network, wish: Wish, share: float, *, seed: int) -> None:
    """Rank, choose, remove and check, in place.

    Args:
        network: The model.
        wish: What to remove first.
        share: Of what the model costs now, to be reached or passed.
        seed: Makes the importance Random repeatable.

    Raises:
        InvalidSpec: When nothing matches an entry of ignore, when the importance is undefined for
            this model, or when the share cannot be reached.
        Internal: UnsupportedModel, when torch-pruning cannot follow the model, or removes
            something else than what it ranked.
    """
    module = network.module
    inputs = calls.random_inputs(network.inputs, calls.workable_sizes(module, network.inputs))
    dependencies = channels.Dependencies(module, inputs)
    left_alone = [
        *ignored(module, wish.ignore, "prune.ignore"),
        *heads.projections(module),
    ]
    with weighed(network, wish, seed):
        groups = list(dependencies.groups(wish.importance, left_alone))
    if not groups:
        raise InvalidSpec(
            f"prune.importance: no channel of the model has an importance {wish.importance} and "
            "may be removed; choose L2, or ignore fewer layers"
        )
    chosen = _chosen(module, groups, wish, share, inputs)
    expected = _without(module, dependencies, chosen, inputs)
    for group, doomed in chosen:
        dependencies.remove(group.root, doomed)
    check(module, inputs, expected, [group.root for group, _ in chosen], "channels")


def _chosen(
    module: nn.Module,
    groups: Sequence[channels.ChannelGroup],
    wish: Wish,
    share: float,
    inputs: calls.Tensors,
) -> Chosen:
    choices = [
        budget.Choice(
            scores=scores,
            multiple=channels.multiple(wish.round_to, group.repeats),
            cuts=group.cuts,
        )
        for group, scores in zip(groups, _scores(groups, wish), strict=True)
    ]
    kept = within_budget(module, choices, wish, share, inputs)
    return [
        (group, group.channels(channels.least(group.scores, len(group.scores) - n)))
        for group, n in zip(groups, kept, strict=True)
        if n < len(group.scores)
    ]


def within_budget(
    module: nn.Module,
    choices: Sequence[budget.Choice],
    wish: Wish,
    share: float,
    inputs: calls.Tensors,
) -> tuple[int, ...]:
    """How many units of each choice stay.

    Raises:
        InvalidSpec: When the share cannot be reached.
    """
    parts = costs(module, wish.measure, inputs)
    whole = sum(part.amount for part in parts)
    kept = budget.reach(parts, choices, share * whole)
    reached = budget.left(parts, choices, kept) / whole
    if reached > share:
        raise InvalidSpec(
            f"prune.target: {reached:.3f} of the {wish.measure} is left when as much is removed "
            f"as can be, so {share:.3f} cannot be reached; raise it, lower roundTo or ignore "
            "fewer layers"
        )
    return kept


def _scores(groups: Sequence[channels.ChannelGroup], wish: Wish) -> list[Sequence[float]]:
    """Scores by which channels of different layers compete."""
    if wish.scope == "Global":
        return [group.scores for group in groups]
    ranks = [_ranks(group.scores) for group in groups]
    if wish.scope == "Local":
        return list(ranks)
    weights = _weights(groups, wish)
    return [[rank * w for rank in of] for of, w in zip(ranks, weights, strict=True)]


def _ranks(scores: Sequence[float]) -> list[float]:
    """Scores that compare within a layer only: which share of its channels is less important."""
    order = channels.least(scores, len(scores))
    places = {unit: place for place, unit in enumerate(order, 1)}
    return [places[unit] / len(scores) for unit in range(len(scores))]


def _weights(groups: Sequence[channels.ChannelGroup], wish: Wish) -> list[float]:
    """How dear the channels of each layer are: what was lost without some, against the most.

    A layer that was not measured is as dear as the most sensitive one.
    """
    drops = wish.drops or {}
    found = [
        [max(drops[name], 0.0) for name in {group.root, *group.layers} if name in drops]
        for group in groups
    ]
    if not any(found):
        raise InvalidSpec(
            "prune.scope: the map of sensitivities names none of the layers that may lose "
            "channels; put the sensitivity step directly before this one"
        )
    most = max(max(each) for each in found if each) or 1.0
    shares = [max(each) / most if each else 1.0 for each in found]
    return [_LEAST_WEIGHT + (1 - _LEAST_WEIGHT) * share for share in shares]


def _without(
    module: nn.Module, dependencies: channels.Dependencies, chosen: Chosen, inputs: calls.Tensors
) -> calls.Tensors | None:
    """Outputs when the doomed channels are there but nobody listens to them.

    The pruned model has to give the same. None where a normalisation across channels, which
    always listens, makes the two differ by nature.
    """
    if any(group.across for group, _ in chosen):
        return None
    with dependencies.silenced((group.root, doomed) for group, doomed in chosen):
        return calls.call(module, inputs)


def check(
    module: nn.Module,
    inputs: calls.Tensors,
    expected: calls.Tensors | None,
    layers: Sequence[str],
    units: str,
) -> None:
    """Look whether a model without some units runs, and gives what it should.

    Args:
        module: The model.
        inputs: One call's inputs.
        expected: What it should give; None when that is unknown.
        layers: From which the units were removed.
        units: What was removed.

    Raises:
        Internal: UnsupportedModel, when it does not.
    """
    named = ", ".join(layers[:3])
    try:
        with torch.no_grad():
            found = calls.call(module, inputs)
    except calls.COMPLAINTS as error:
        raise Internal(
            f"prune: the model does not run without the {units} removed from {named}, …: "
            f"{str(error).partition(chr(10))[0]}; list what cannot be pruned in prune.ignore",
            reason=Reason.UNSUPPORTED_MODEL,
        ) from error
    if expected is None:
        return
    difference = largest_difference(calls.arrays_of(expected), calls.arrays_of(found))
    if not difference.relative <= _TOLERANCE:
        raise Internal(
            f"prune: removing {units} of {named}, … changed {difference.output} in another way "
            "than ignoring them would; list what cannot be pruned in prune.ignore",
            reason=Reason.UNSUPPORTED_MODEL,
        )
