"""The weights of a network's layers: what is made sparse or shared."""

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from torch import nn

from lathe_steps.errors import InvalidSpec

_LAYERS = (
    nn.modules.conv._ConvNd,  # noqa: SLF001 - the one base of all convolutions, also transposed
    nn.Linear,
    nn.Embedding,
    nn.EmbeddingBag,
    nn.MultiheadAttention,
    nn.RNNBase,
)
_AXES = 2
"""Fewest axes of a weight; biases have one."""

Weights = dict[str, nn.Parameter]
"""Parameters by their names in the model; each tensor once, also when layers share it."""


def of_layers(module: nn.Module, ignore: Sequence[str], step: str) -> Weights:
    """Weights of convolutions, linear and recurrent layers, embeddings and attention.

    Biases and normalisations are no such weights, nor are parameters of a model's own modules.

    Args:
        module: The model.
        ignore: Patterns of names of modules that are left out, with all that is in them.
        step: Kind of the step, for messages.

    Raises:
        InvalidSpec: When a pattern matches nothing, or nothing is left.
    """
    ignored = {id(parameter) for parameter in _ignored(module, ignore, step)}
    owned = {id(parameter) for parameter in _owned(module)}
    found = {
        name: parameter
        for name, parameter in module.named_parameters()
        if id(parameter) in owned and id(parameter) not in ignored
    }
    if not found:
        raise InvalidSpec(f"{step}.ignore: no layer is left to change; ignore fewer")
    return found


def _owned(module: nn.Module) -> Iterator[nn.Parameter]:
    for layer in module.modules():
        if isinstance(layer, _LAYERS):
            yield from (p for p in layer.parameters(recurse=False) if p.dim() >= _AXES)


def _ignored(module: nn.Module, patterns: Sequence[str], step: str) -> Iterator[nn.Parameter]:
    named = {name: child for name, child in module.named_modules() if name}
    for pattern in patterns:
        hits = [child for name, child in named.items() if fnmatchcase(name, pattern)]
        if not hits:
            layers = [name for name, child in named.items() if not list(child.children())]
            raise InvalidSpec(
                f"{step}.ignore: no layer is named {pattern}; there are {', '.join(layers[:5])}, …"
            )
        for hit in hits:
            yield from hit.parameters()
