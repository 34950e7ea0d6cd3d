"""Modules that may stand in for one of an architecture's, as plain data.

What a step puts into a model (two thin layers for a thick one, a pooling, an identity) is stored
by its kind and its sizes. The kinds are the few below, so that a changed model is built again
without running code that came with it.
"""

from collections.abc import Mapping
from typing import Any

from torch import nn

from lathe_steps.errors import Internal
from lathe_steps.reasons import Reason
from lathe_steps.toolchains.networks.models.attention import Attention, SelfAttention

Description = Mapping[str, Any]
"""`kind`, and an argument per size; a Sequential has `children`, descriptions by name."""

_CONVOLUTION = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation")
_POOLING = ("kernel_size", "stride", "padding", "ceil_mode")
_KINDS: Mapping[type[nn.Module], tuple[str, ...]] = {
    nn.Identity: (),
    nn.Linear: ("in_features", "out_features", "bias"),
    nn.Conv2d: (*_CONVOLUTION, "groups", "bias", "padding_mode"),
    nn.Embedding: ("num_embeddings", "embedding_dim", "padding_idx"),
    nn.BatchNorm2d: ("num_features", "eps", "momentum", "affine", "track_running_stats"),
    nn.AdaptiveAvgPool2d: ("output_size",),
    nn.AvgPool2d: _POOLING,
    nn.MaxPool2d: (*_POOLING, "dilation"),
    nn.Flatten: ("start_dim", "end_dim"),
    nn.Dropout: ("p", "inplace"),
    nn.ReLU: ("inplace",),
    nn.ReLU6: ("inplace",),
    nn.SiLU: ("inplace",),
    nn.Hardswish: ("inplace",),
    nn.GELU: ("approximate",),
    Attention: ("dim", "heads", "head_dim", "bias"),
    SelfAttention: ("dim", "heads", "head_dim", "bias", "batch_first"),
}
"""Kinds without modules within them, and the arguments that build them again."""
_BY_NAME = {kind.__name__: kind for kind in _KINDS}
_SEQUENTIAL = "Sequential"


def described(module: nn.Module, name: str) -> Description:
    """The description of a module.

    Raises:
        Internal: UnsupportedModel, when the module, or one within it, is of another kind.
    """
    kind = type(module)
    if kind is nn.Sequential:
        children = {
            leaf: described(child, f"{name}.{leaf}") for leaf, child in module.named_children()
        }
        return {"kind": _SEQUENTIAL, "children": children}
    if kind not in _KINDS:
        raise Internal(
            f"{name}: a {kind.__name__} cannot be stored as a part of a changed model",
            reason=Reason.UNSUPPORTED_MODEL,
        )
    return {"kind": kind.__name__, **{word: _value(module, word) for word in _KINDS[kind]}}


def built(description: Description) -> nn.Module:
    """A module with fresh weights, in evaluation mode.

    Raises:
        Internal: When its kind is unknown, or its arguments are not those of its kind.
    """
    words = dict(description)
    kind = words.pop("kind", None)
    if kind == _SEQUENTIAL:
        sequence = nn.Sequential()
        for leaf, child in words["children"].items():
            sequence.add_module(leaf, built(child))
        return sequence.eval()
    if kind not in _BY_NAME:
        raise Internal(f"a stored model has a module of the kind {kind}, which is unknown")
    given = {word: tuple(v) if isinstance(v, list) else v for word, v in words.items()}
    if given.keys() != set(_KINDS[_BY_NAME[kind]]):
        raise Internal(f"a stored {kind} is described by {', '.join(sorted(given))}")
    return _BY_NAME[kind](**given).eval()


def _value(module: nn.Module, word: str) -> Any:  # noqa: ANN401 - numbers, words and pairs
    value = getattr(module, word)
    return value is not None if word == "bias" and not isinstance(value, bool) else value
