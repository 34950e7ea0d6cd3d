"""Layers by the patterns that users write."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

from torch import nn

from lathe_steps.errors import InvalidSpec

_SHOWN = 5


def ignored(module: nn.Module, patterns: Sequence[str], field: str) -> list[nn.Module]:
    """Every module that a pattern names, with those within it.

    Args:
        module: The model.
        patterns: Of names of modules.
        field: Where they are written, for messages.

    Raises:
        InvalidSpec: When a pattern names nothing.
    """
    named = {name: child for name, child in module.named_modules() if name}
    found: list[nn.Module] = []
    for pattern in patterns:
        hits = [child for name, child in named.items() if fnmatchcase(name, pattern)]
        if not hits:
            layers = [name for name, child in named.items() if not list(child.children())]
            shown = ", ".join(layers[:_SHOWN])
            raise InvalidSpec(f"{field}: no layer is named {pattern}; there are {shown}, …")
        found += [layer for hit in hits for layer in hit.modules()]
    return found
