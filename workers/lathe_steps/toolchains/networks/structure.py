"""How a model differs in structure from its architecture, as plain data.

Pruning changes sizes, folding takes normalisations away. Both are kept as a small record beside
the weights, so that a changed model is built again from its architecture and never unpickled.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import nn

from lathe_steps.errors import Internal

Size = int | list[int]
"""An integer attribute of a module, such as out_channels, or a list of them."""


@dataclass(frozen=True, slots=True)
class Edits:
    """What to change in a freshly built architecture.

    Attributes:
        identity: Modules that pass their input through, by name.
        sizes: Integer attributes that differ, by module and attribute.
    """

    identity: tuple[str, ...] = ()
    sizes: Mapping[str, Mapping[str, Size]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Blueprint:
    """A module tree as its architecture builds it: the type and the sizes of every module."""

    types: Mapping[str, type[nn.Module]]
    sizes: Mapping[str, Mapping[str, Size]]


def blueprint(module: nn.Module) -> Blueprint:
    """Write down the structure of a module tree."""
    return Blueprint(
        types={name: type(child) for name, child in module.named_modules()},
        sizes={name: dict(_sizes(child)) for name, child in module.named_modules()},
    )


def difference(before: Blueprint, module: nn.Module) -> Edits:
    """The edits that lead from a blueprint to a module tree.

    Raises:
        Internal: When a module was replaced by something else than an identity.
    """
    children = dict(module.named_modules())
    identity, sizes = [], {}
    for name, kind in before.types.items():
        child = children.get(name)
        if child is None:  # it went away with the parent that became an identity
            continue
        if type(child) is not kind:
            if not isinstance(child, nn.Identity):
                raise Internal(f"{name}: a {type(child).__name__} cannot be stored as an edit")
            identity.append(name)
            continue
        now, then = dict(_sizes(child)), before.sizes[name]
        if changed := {k: now[k] for k, v in then.items() if now.get(k, v) != v}:
            sizes[name] = changed
    return Edits(tuple(identity), sizes)


def edit(module: nn.Module, edits: Edits) -> None:
    """Apply edits to a freshly built architecture, in place; tensors keep their shapes."""
    for name in edits.identity:
        replace(module, name, nn.Identity())
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
