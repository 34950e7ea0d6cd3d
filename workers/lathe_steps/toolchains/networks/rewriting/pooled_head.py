"""A head that averages each channel over the image, in the place of one that flattens the image.

Global average pooling before one linear layer (Lin et al., 2014: Network In Network).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import nn

from lathe_steps.errors import Internal, InvalidSpec
from lathe_steps.reasons import Reason
from lathe_steps.toolchains.networks import calls, census
from lathe_steps.toolchains.networks.models import structure
from lathe_steps.toolchains.networks.models.model import Facts, Network

_IMAGE = 4
"""Axes of a batch of images."""


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One call of a module that has no modules within it."""

    name: str
    module: nn.Module
    taken: torch.Tensor
    given: torch.Tensor


class Head(NamedTuple):
    """Where a model flattens an image, and what it makes of it.

    Attributes:
        image: Name of the module that gives the image.
        between: Names of the modules after it and before the last layer, each called once.
        last: Name of the linear layer that gives the scores.
        first: Name of the linear layer that takes the flattened image; may be the last.
        size: Shape of the image: channels, height, width.
    """

    image: str
    between: tuple[str, ...]
    last: str
    first: str
    size: tuple[int, int, int]


def replace(network: Network, *, seed: int) -> Facts:
    """Let pooling and one linear layer stand in for a flattening and its linear layers, in place.

    When there was one layer, the new one begins with the sums of its weights over the image,
    which gives the same scores for images that are the same everywhere; else with random ones.

    Raises:
        InvalidSpec: When the model has no such head.
        Internal: UnsupportedModel, when it cannot be replaced.
    """
    module = network.module
    sizes = calls.workable_sizes(module, network.inputs)
    inputs = calls.random_inputs(network.inputs, sizes)
    before = census.figures(module, inputs)
    expected = _shapes(module, inputs)
    head = _head(_calls(module, inputs))
    new = _layer(module, head, seed)
    for name in head.between:
        structure.replace(module, name, nn.Identity())
    structure.replace(module, head.image, _pooled(module.get_submodule(head.image)))
    structure.replace(module, head.last, new)
    if _shapes(module, inputs) != expected:
        raise Internal(
            f"replaceHead: without {', '.join(head.between)} the model gives other outputs; leave "
            "the step out",
            reason=Reason.UNSUPPORTED_MODEL,
        )
    fresh = 0 if head.first == head.last else sum(p.numel() for p in new.parameters())
    facts = census.facts(before, census.figures(module, inputs))
    return {**facts, "head": head.last, "fresh_weights": fresh, "needs": "training"}


def _calls(module: nn.Module, inputs: calls.Tensors) -> list[Call]:
    """Every call of a module without modules within it, in order."""
    made: list[Call] = []

    def record(name: str, child: nn.Module, taken: Any, given: Any) -> None:  # noqa: ANN401
        if taken and isinstance(taken[0], torch.Tensor) and isinstance(given, torch.Tensor):
            made.append(Call(name, child, taken[0], given))

    hooks = [
        child.register_forward_hook(
            lambda child, taken, given, name=name: record(name, child, taken, given)
        )
        for name, child in module.named_modules()
        if not list(child.children())
    ]
    try:
        with torch.no_grad():
            calls.call(module, inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return made


def _head(made: list[Call]) -> Head:
    place, image = _flattened(made)
    linear = [call for call in made[place:] if type(call.module) is nn.Linear]
    last = linear[-1]
    after = made[made.index(image) + 1 : made.index(last)]
    return Head(
        image=_called_once(made, image),
        between=tuple(_removable(made, after)),
        last=_called_once(made, last),
        first=linear[0].name,
        size=(image.given.shape[1], image.given.shape[2], image.given.shape[3]),
    )


def _flattened(made: list[Call]) -> tuple[int, Call]:
    """The linear layer that takes a flattened image, by place, and the call that gave the image."""
    for place, call in enumerate(made):
        if type(call.module) is not nn.Linear:
            continue
        for earlier in reversed(made[:place]):
            if earlier.given.dim() == _IMAGE and _is_flat(earlier.given, call.taken):
                if earlier.given[0, 0].numel() > 1:
                    return place, earlier
                break
    raise InvalidSpec(
        "replaceHead: no linear layer of the model takes a flattened image, so that there is "
        "nothing that global average pooling could stand in for; leave the step out"
    )


def _is_flat(image: torch.Tensor, taken: torch.Tensor) -> bool:
    return image.shape[0] == taken.shape[0] and torch.equal(image.flatten(1), taken.flatten(1))


def _removable(made: list[Call], between: list[Call]) -> Iterator[str]:
    """Modules that the head alone calls; what has no weights and is used elsewhere may stay."""
    for call in between:
        if isinstance(call.module, nn.Flatten):
            continue
        times = sum(other.module is call.module for other in made)
        if times == 1:
            yield call.name
        elif list(call.module.parameters()):
            _called_once(made, call)


def _called_once(made: list[Call], call: Call) -> str:
    if sum(other.module is call.module for other in made) > 1:
        raise Internal(
            f"replaceHead: {call.name} is used in more than one place, so that the head cannot be "
            "replaced; leave the step out",
            reason=Reason.UNSUPPORTED_MODEL,
        )
    return call.name


def _pooled(image: nn.Module) -> nn.Module:
    pool = nn.AdaptiveAvgPool2d(1)
    if isinstance(image, nn.AdaptiveAvgPool2d | nn.AvgPool2d):
        return pool
    return nn.Sequential(image, pool)


def _layer(module: nn.Module, head: Head, seed: int) -> nn.Linear:
    last: Any = module.get_submodule(head.last)
    with torch.random.fork_rng(devices=()), torch.no_grad():
        torch.manual_seed(seed)
        new = nn.Linear(head.size[0], last.out_features, bias=last.bias is not None)
        if head.first == head.last:
            new.weight.copy_(last.weight.view(-1, head.size[0], head.size[1] * head.size[2]).sum(2))
            if last.bias is not None:
                new.bias.copy_(last.bias)
    return new.eval()


@torch.no_grad()
def _shapes(module: nn.Module, inputs: calls.Tensors) -> dict[str, torch.Size] | str:
    try:
        return {name: given.shape for name, given in calls.call(module, inputs).items()}
    except calls.COMPLAINTS as error:
        return str(error)
