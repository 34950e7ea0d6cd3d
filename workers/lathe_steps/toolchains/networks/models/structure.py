"""How a model differs in structure from its architecture, as plain data.

Pruning changes sizes, folding takes normalisations away, factorising puts two layers in the place
of one. All of it is kept as a small record beside the weights, so that a changed model is built
again from its architecture and never unpickled.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import nn

from lathe_steps.toolchains.networks.models import vocabulary

Size = int | list[int]
"""An integer attribute of a module, such as out_channels, or a list of them."""


@dataclass(frozen=True, slots=True)
class Edits:
    """What to change in a freshly built architecture.

    Attributes:
        identity: Modules that pass their input through, by name.
        sizes: Integer attributes that differ, by module and attribute.
        replaced: Modules that others stand in for, by name.
    """

    identity: tuple[str, ...] = ()
    sizes: Mapping[str, Mapping[str, Size]] = field(default_factory=dict)
    replaced: Mapping[str, vocabulary.Description] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Blueprint:
    """A module tree as its architecture builds it.

    Attributes:
        types: Of every module, by name.
        children: Names of the modules in each.
        sizes: Integer attributes of each.
    """

    types: Mapping[str, type[nn.Module]]
    children: Mapping[str, tuple[str, ...]]
    sizes: Mapping[str, Mapping[str, Size]]


def blueprint(module: nn.Module) -> Blueprint:
    """Write down the structure of a module tree."""
    return Blueprint(
        types={name: type(child) for name, child in module.named_modules()},
        children={name: _children(child) for name, child in module.named_modules()},
        sizes={name: dict(_sizes(child)) for name, child in module.named_modules()},
    )


def difference(before: Blueprint, module: nn.Module) -> Edits:
    """The edits that lead from a blueprint to a module tree.

    Raises:
        Internal: UnsupportedModel, when a module was replaced by one that has no description.
    """
    now = dict(module.named_modules())
    sizes: dict[str, Mapping[str, Size]] = {}
    replaced: dict[str, vocabulary.Description] = {}
    identity: list[str] = []
    for name, kind in before.types.items():
        if name not in now or _within(name, (*identity, *replaced)):
            continue  # it went away with its parent
        child = now[name]
        if type(child) is kind and _children(child) == before.children[name]:
            sizes[name] = _changed(before.sizes[name], dict(_sizes(child)))
        elif type(child) is nn.Identity:
            identity.append(name)
        else:
            replaced[name] = vocabulary.described(child, name)
    return Edits(tuple(identity), {n: s for n, s in sizes.items() if s}, replaced)


def _changed(then: Mapping[str, Size], now: Mapping[str, Size]) -> Mapping[str, Size]:
    return {word: now[word] for word, size in then.items() if now.get(word, size) != size}


def _within(name: str, parents: Iterable[str]) -> bool:
    return any(name.startswith(f"{parent}.") for parent in parents)


def _children(module: nn.Module) -> tuple[str, ...]:
    return tuple(name for name, _ in module.named_children())


def edit(module: nn.Module, edits: Edits) -> None:
    """Apply edits to a freshly built architecture, in place; tensors keep their shapes.

    Raises:
        Internal: When a description is of no known kind.
    """
    for name in edits.identity:
        replace(module, name, nn.Identity())
    for name, description in edits.replaced.items():
        replace(module, name, vocabulary.built(description))
    for name, changed in edits.sizes.items():
        child = module.get_submodule(name)
        for attribute, size in changed.items():
            was = vars(child)[attribute]
            setattr(child, attribute, size if isinstance(size, int) else type(was)(size))


def fit(module: nn.Module, tensors: Mapping[str, torch.Tensor]) -> None:
    """Give parameters and buffers the shapes of the tensors that are to be loaded, in place.

    A tensor whose name the module does not know is left for the strict loading to refuse.
    """
    for name, tensor in tensors.items():
        owner_name, _, leaf = name.rpartition(".")
        try:
            owner = module.get_submodule(owner_name)
        except AttributeError:
            continue
        parameters, buffers = owner._parameters, owner._buffers  # noqa: SLF001 - None is kept there
        if leaf in parameters and _differs(parameters[leaf], tensor):
            parameters[leaf] = nn.Parameter(torch.empty_like(tensor))
        elif leaf in buffers and _differs(buffers[leaf], tensor):
            buffers[leaf] = torch.empty_like(tensor)


def replace(module: nn.Module, name: str, child: nn.Module) -> None:
    """Put a module in the place of the one of that name."""
    parent, _, leaf = name.rpartition(".")
    setattr(module.get_submodule(parent), leaf, child)


def _differs(held: torch.Tensor | None, tensor: torch.Tensor) -> bool:
    return held is None or held.shape != tensor.shape


def _sizes(module: nn.Module) -> Iterator[tuple[str, Size]]:
    for attribute, value in vars(module).items():
        if isinstance(value, int) and not isinstance(value, bool):
            yield attribute, value
        elif isinstance(value, tuple | list) and all(type(item) is int for item in value):
            yield attribute, list(value)
