"""The registry of architectures: the only way to the code of a torch model is a name in it."""

import difflib
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Any

import torch
import torchvision
from torch import nn

from lathe_steps.errors import BadInput, InvalidSpec
from lathe_steps.reasons import Reason
from lathe_steps.toolchains.networks import small

ENTRY_POINTS = "lathe.architectures"
"""Group of entry points by which an installed package adds architectures to the registry."""

Builder = Callable[..., nn.Module]

_OWN: Mapping[str, Builder] = {
    "lathe.small_cnn": small.SmallCNN,
    "lathe.small_encoder": small.SmallEncoder,
    "lathe.mlp": small.MLP,
}
_TORCHVISION = "torchvision."
_ABOUT_WEIGHTS = ("weights", "pretrained", "weights_backbone", "progress")
"""Arguments by which torchvision's builders download weights; weights come from model.uri."""


def names() -> tuple[str, ...]:
    """Every name in the registry."""
    vision = (_TORCHVISION + name for name in torchvision.models.list_models(torchvision.models))
    added = (entry.name for entry in entry_points(group=ENTRY_POINTS))
    return tuple(sorted({*_OWN, *vision, *added}))


def build(ref: str, args: Mapping[str, Any], *, field: str = "model.architecture") -> nn.Module:
    """Build an architecture with fresh weights, in evaluation mode.

    Args:
        ref: A name in the registry.
        args: Its arguments.
        field: Where the resource says so, for messages.

    Raises:
        BadInput: UnknownArchitecture, when no such name is in the registry.
        InvalidSpec: When the architecture does not take these arguments.
    """
    builder = _builder(ref, field)
    for name in _ABOUT_WEIGHTS:
        if name in args:
            raise InvalidSpec(f"{field}.args.{name}: remove it; weights are not downloaded")
    with torch.random.fork_rng(devices=()):
        try:
            module = builder(**{**_quiet(ref), **args})
        except Exception as error:  # whatever a builder makes of arguments that it did not expect
            first = str(error).partition("\n")[0]
            raise InvalidSpec(
                f"{field}.args: {ref} cannot be built with {dict(args)}: {first}"
            ) from error
    if not isinstance(module, nn.Module):
        raise InvalidSpec(f"{field}.ref: {ref} does not build a torch module")
    return module.eval()


def _builder(ref: str, field: str) -> Builder:
    known = names()
    if ref not in known:
        near = difflib.get_close_matches(ref, known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else "use torchvision.<model>"
        raise BadInput(
            f"{field}.ref: no architecture is named {ref}; {hint}",
            reason=Reason.UNKNOWN_ARCHITECTURE,
        )
    if ref in _OWN:
        return _OWN[ref]
    for entry in entry_points(group=ENTRY_POINTS, name=ref):
        added: Builder = entry.load()
        return added
    found: Builder = torchvision.models.get_model_builder(ref.removeprefix(_TORCHVISION))
    return found


def _quiet(ref: str) -> Mapping[str, Any]:
    """Arguments that keep a builder from initialising weights slowly, with a warning."""
    slow = {"torchvision.googlenet", "torchvision.inception_v3"}
    return {"init_weights": False} if ref in slow else {}
