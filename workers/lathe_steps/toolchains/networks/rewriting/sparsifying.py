"""Setting weights to zero, the least important first, in passes with training between."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import nn

from lathe_steps.base import Artifact, Context
from lathe_steps.errors import InvalidSpec
from lathe_steps.evidence import Curve
from lathe_steps.toolchains.networks import calls
from lathe_steps.toolchains.networks.models import model, unused
from lathe_steps.toolchains.networks.models.model import Facts, Network
from lathe_steps.toolchains.networks.models.weights import Weights, of_layers
from lathe_steps.toolchains.networks.training import recovering, resuming
from lathe_steps.toolchains.networks.training.course import Trail
from lathe_steps.toolchains.training import Recovery

EFFECT = "none: zeros are stored and computed like other weights"


@dataclass(frozen=True, slots=True)
class Pattern:
    """At most `n` weights that are not zero among every `m` in a row."""

    n: int
    m: int


@dataclass(frozen=True, slots=True)
class Wish:
    """How to make a network sparse; the fields are those of the step."""

    method: Literal["Magnitude", "Random"]
    sparsity: float | Pattern
    local: bool
    cubic: bool
    passes: int
    ignore: tuple[str, ...]


def sparsify(
    artifact: Artifact, wish: Wish, recovery: Recovery | None, context: Context
) -> Artifact:
    """Set weights to zero and mark them to stay so, pass by pass; each pass is kept.

    Raises:
        InvalidSpec: When a pattern of ignore matches nothing, a layer does not divide into groups,
            or nothing would be left of a layer.
        BadInput, Internal: What training raises.
    """
    network, state = resuming.begin(artifact, context.checkpoints)
    sizes = calls.workable_sizes(network.module, network.inputs)
    unused.drop(network.module, calls.random_inputs(network.inputs, sizes))
    weights = of_layers(network.module, wish.ignore, "sparsify")
    marked = tuple(dict.fromkeys((*network.constraints.zeros, *weights)))
    network = replace(network, constraints=replace(network.constraints, zeros=marked))
    start = float(state.get("start", _share(weights)))
    points = [(0.0, start)]
    for done in range(wish.passes):
        share = _progress(wish, done + 1)
        if done >= int(state.get("passes", 0)):
            _zero(weights, wish, start, share, context.seed + done)
            state = {"start": start, "passes": done}
            trained = _recover(network, recovery, context, state, wish.passes)
            state = {**state, **trained, "passes": done + 1}
            resuming.keep(context.checkpoints, network, state)
        points.append((done + 1.0, _planned(wish, start, share)))
    facts = _facts(network, weights) | {k: v for k, v in state.items() if k.startswith("loss")}
    curve = Curve("share of zeros", "pass", tuple(points))
    return model.save(network, context.out, facts, [curve] if wish.passes > 1 else [])


def _progress(wish: Wish, done: int) -> float:
    """Which share of the way is gone after so many passes (cubic: Zhu and Gupta, 2017)."""
    left = 1 - done / wish.passes
    return 1 - left**3 if wish.cubic else 1 - left


def _planned(wish: Wish, start: float, share: float) -> float:
    """The share of zeros after a pass."""
    if isinstance(wish.sparsity, Pattern):
        return _in_group(wish.sparsity, share) / wish.sparsity.m
    return start + max(0.0, wish.sparsity - start) * share


def _in_group(pattern: Pattern, share: float) -> int:
    """Zeros of each group after a pass."""
    return round((pattern.m - pattern.n) * share)


def _zero(weights: Weights, wish: Wish, start: float, share: float, seed: int) -> None:
    chance = torch.Generator().manual_seed(seed)
    scores = {name: _scores(weight, wish, chance) for name, weight in weights.items()}
    if isinstance(wish.sparsity, Pattern):
        count = _in_group(wish.sparsity, share)
        doomed = {n: _least_in_groups(n, s, wish.sparsity.m, count) for n, s in scores.items()}
    elif wish.local:
        aim = _planned(wish, start, share)
        doomed = {name: _least(score, round(aim * score.numel())) for name, score in scores.items()}
    else:
        doomed = _least_of_all(scores, _planned(wish, start, share))
    _refuse_empty(doomed)
    with torch.no_grad():
        for name, weight in weights.items():
            weight.masked_fill_(doomed[name], 0)


def _scores(weight: nn.Parameter, wish: Wish, chance: torch.Generator) -> torch.Tensor:
    """Importance of each weight; those that are zero already come first."""
    size = weight.detach().abs().float()
    if wish.method == "Magnitude":
        return size
    drawn = torch.rand(weight.shape, generator=chance)
    return drawn.masked_fill_(size == 0, -1)


def _least(scores: torch.Tensor, count: int) -> torch.Tensor:
    """A mask of exactly so many of the least scores; of equal ones, the first."""
    if count == 0:
        return torch.zeros_like(scores, dtype=torch.bool)
    flat = scores.flatten()
    limit = flat.kthvalue(count).values
    chosen = flat < limit
    ties = (flat == limit).nonzero().flatten()
    chosen[ties[: count - int(chosen.sum())]] = True
    return chosen.view_as(scores)


def _least_of_all(scores: Mapping[str, torch.Tensor], aim: float) -> dict[str, torch.Tensor]:
    flat = torch.cat([score.flatten() for score in scores.values()])
    sizes = [score.numel() for score in scores.values()]
    parts = torch.split_with_sizes(_least(flat, round(aim * len(flat))), sizes)
    return {
        name: part.view_as(score) for (name, score), part in zip(scores.items(), parts, strict=True)
    }


def _least_in_groups(name: str, scores: torch.Tensor, m: int, count: int) -> torch.Tensor:
    """The least of every `m` neighbours along the inputs, which is the second axis of a weight."""
    last = scores.movedim(1, -1)
    if last.shape[-1] % m:
        raise InvalidSpec(
            f"sparsify.pattern: {name} has {last.shape[-1]} inputs, which do not divide into "
            f"groups of {m}; add {name.rpartition('.')[0]} to sparsify.ignore"
        )
    groups = last.reshape(-1, m)
    order = groups.argsort(dim=1, stable=True)
    chosen = torch.zeros_like(groups, dtype=torch.bool).scatter_(1, order[:, :count], value=True)
    return chosen.view(last.shape).movedim(-1, 1)


def _refuse_empty(doomed: Mapping[str, torch.Tensor]) -> None:
    for name, mask in doomed.items():
        if mask.all():
            raise InvalidSpec(
                f"sparsify: nothing would be left of {name}; lower sparsity, choose scope Local, "
                f"or add {name.rpartition('.')[0]} to sparsify.ignore"
            )


def _recover(
    network: Network, recovery: Recovery | None, context: Context, state: Facts, passes: int
) -> Facts:
    done = int(state["passes"])
    context.progress(done / passes, f"pass {done + 1}/{passes}")
    if recovery is None:
        return {}
    return recovering.recover(
        network,
        recovery,
        replace(context, seed=context.seed + done),
        step="sparsify",
        progress=lambda share, said: context.progress(
            (done + share) / passes, f"pass {done + 1}/{passes}: {said}"
        ),
        trail=Trail(resuming.part(context.checkpoints, f"training-{done}", network, state)),
    )


def _share(weights: Weights) -> float:
    total = sum(weight.numel() for weight in weights.values())
    return 1 - _nonzero(weights) / total


def _nonzero(weights: Weights) -> int:
    return sum(int(weight.count_nonzero()) for weight in weights.values())


def _facts(network: Network, weights: Weights) -> dict[str, float | int | str]:
    return {
        "sparsity": round(_share(weights), 6),
        "weights_considered": sum(weight.numel() for weight in weights.values()),
        "nonzero": sum(int(p.count_nonzero()) for p in network.module.parameters()),
        "runtime_effect": EFFECT,
    }
