"""Removing whole residual blocks from a network, those that change least what goes through them.

A block's influence is one minus the cosine of what it takes and what it gives, averaged over
samples (Men et al., 2024: ShortGPT). Identities stand in for what is removed.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeGuard

import torch
from torch import nn
from torch.nn import functional

from lathe_steps.errors import Internal, InvalidSpec
from lathe_steps.toolchains.networks import calls, census, samples
from lathe_steps.toolchains.networks.models import structure
from lathe_steps.toolchains.networks.models.model import Network
from lathe_steps.toolchains.networks.models.selecting import ignored
from lathe_steps.toolchains.networks.pruning import pruning, taylor
from lathe_steps.toolchains.networks.pruning.wishes import Wish, cost


@dataclass(slots=True)
class _Passage:
    """What was seen of a module."""

    calls: int = 0
    keeps_shape: bool = True
    cosines: list[float] = field(default_factory=list)

    @property
    def influence(self) -> float:
        return 1 - sum(self.cosines) / len(self.cosines)


def remove(network: Network, wish: Wish, share: float, *, seed: int) -> None:  # noqa: ARG001 - no chance
    """Rank, and remove blocks, in place, until a share of the cost is left.

    Args:
        network: The model.
        wish: What to remove; its samples rank the blocks.
        share: Of what the model costs now, to be reached or passed.
        seed: Not used: nothing is left to chance.

    Raises:
        InvalidSpec: When nothing matches an entry of ignore, or the share cannot be reached.
        BadInput: When the samples do not fit the model.
        Internal: UnsupportedModel, when the model does not run without a block.
    """
    module = network.module
    inputs = calls.random_inputs(network.inputs, calls.workable_sizes(module, network.inputs))
    whole = cost(census.figures(module, inputs), wish.measure)
    left_alone = set(ignored(module, wish.ignore, "prune.ignore"))
    if wish.evidence is None:
        raise Internal("prune: blocks are ranked by samples, and there are none")
    ranked = _ranked(network, wish.evidence, left_alone)
    left = 1.0
    for name in ranked:
        structure.replace(module, name, nn.Identity())
        pruning.check(module, inputs, None, [name], "blocks")
        left = cost(census.figures(module, inputs), wish.measure) / whole
        if left <= share:
            return
    raise InvalidSpec(
        f"prune.target: {left:.3f} of the {wish.measure} is left without all {len(ranked)} blocks "
        f"that can be removed, so {share:.3f} cannot be reached; raise it, or prune channels"
    )


def _ranked(network: Network, evidence: taylor.Evidence, left_alone: set[nn.Module]) -> list[str]:
    """Names of the blocks, those of least influence first."""
    passages = _passages(network, evidence)
    candidates = {
        name: passage.influence
        for name, passage in passages.items()
        if passage.calls == 1 and passage.keeps_shape and passage.cosines
    }
    blocks = _blocks(candidates)
    module = network.module
    allowed = [
        name for name in blocks if not set(module.get_submodule(name).modules()) & left_alone
    ]
    return sorted(allowed, key=lambda name: candidates[name])


def _blocks(candidates: dict[str, float]) -> list[str]:
    """Of modules within each other, those that are blocks.

    What lies within a module of less influence is its branch: without it, the module would add
    its input to itself. What then still holds a block is a stage of several.
    """
    whole = [
        name
        for name, influence in candidates.items()
        if not any(candidates[outer] < influence for outer in _around(name, candidates))
    ]
    return [name for name in whole if not any(name in _around(other, whole) for other in whole)]


def _around(name: str, names: Iterable[str]) -> list[str]:
    return [other for other in names if name.startswith(f"{other}.")]


def _passages(network: Network, evidence: taylor.Evidence) -> dict[str, _Passage]:
    """What each module with weights and with modules within it does to what goes through it."""
    module = network.module
    seen: dict[str, _Passage] = {}

    def record(name: str, taken: tuple[Any, ...], given: Any) -> None:  # noqa: ANN401
        passage = seen.setdefault(name, _Passage())
        passage.calls += 1
        first = taken[0] if taken else None
        if not (_is_float(first) and _is_float(given) and first.shape == given.shape):
            passage.keeps_shape = False
            return
        passage.cosines += functional.cosine_similarity(first.flatten(1), given.flatten(1)).tolist()

    hooks = [
        child.register_forward_hook(lambda _, taken, given, name=name: record(name, taken, given))
        for name, child in module.named_modules()
        if name and list(child.children()) and list(child.parameters())
    ]
    batches = 0
    try:
        for batch in evidence.batches():
            inputs = samples.tensors_of(batch, network.inputs, evidence.dataset.name)
            with torch.no_grad():
                calls.call(module, inputs)
            batches += 1
    finally:
        for hook in hooks:
            hook.remove()
    for passage in seen.values():
        passage.calls = -(-passage.calls // batches)
    return seen


def _is_float(value: Any) -> TypeGuard[torch.Tensor]:  # noqa: ANN401 - whatever a module takes or gives
    return isinstance(value, torch.Tensor) and value.is_floating_point() and value.dim() > 1
