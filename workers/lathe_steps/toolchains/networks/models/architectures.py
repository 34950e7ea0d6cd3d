"""The registry of architectures: the only way to the code of a torch model is a name in it."""

import difflib
from collections.abc import Iterator, Mapping
from importlib.metadata import entry_points
from typing import Any

import torch
from torch import nn

from lathe_steps.errors import BadInput, InvalidSpec
from lathe_steps.reasons import Reason
from lathe_steps.toolchains.networks.models import small
from lathe_steps.toolchains.networks.models.families import FAMILIES, Builder

ENTRY_POINTS = "lathe.architectures"
"""Group of entry points by which an installed package adds architectures to the registry."""

_OWN: Mapping[str, Builder] = {
    "lathe.small_cnn": small.SmallCNN,
    "lathe.small_encoder": small.SmallEncoder,
    "lathe.mlp": small.MLP,
}
_ABOUT_WEIGHTS = frozenset(
    {
        "weights",
        "weights_backbone",
        "pretrained",
        "progress",
        "pretrained_cfg",
        "pretrained_cfg_overlay",
        "pretrained_model_name_or_path",
        "pretrained_backbone",
        "use_pretrained_backbone",
        "checkpoint_path",
        "state_dict",
        "cache_dir",
    }
)
"""Arguments by which builders load weights, at any depth; weights come from model.uri."""
_ABOUT_CODE = frozenset(
    {
        "trust_remote_code",
        "auto_map",
        "custom_pipelines",
        "code_revision",
        "attn_implementation",
        "_attn_implementation",
        "experts_implementation",
        "_experts_implementation",
        "quantization_config",
    }
)
"""Arguments by which builders load code or kernels; all code is installed."""
_DEEPEST = 16


def names() -> tuple[str, ...]:
    """Every name in the registry, of all packages that are installed."""
    found = (
        f"{package}.{name}"
        for package, family in FAMILIES.items()
        if family.is_installed
        for name in family.names()
    )
    return tuple(sorted({*_OWN, *found, *_added()}))


def build(ref: str, args: Mapping[str, Any], *, field: str = "model.architecture") -> nn.Module:
    """Build an architecture with fresh weights, in evaluation mode.

    Args:
        ref: A name in the registry.
        args: Its arguments.
        field: Where the resource says so, for messages.

    Raises:
        BadInput: UnknownArchitecture, when no such name is in the registry.
        InvalidSpec: When the architecture does not take these arguments, or they would load
            weights or code.
    """
    builder = _builder(ref, field)
    for path, name in _keys(args, f"{field}.args"):
        if name in _ABOUT_WEIGHTS:
            raise InvalidSpec(f"{path}: remove it; weights are not downloaded")
        if name in _ABOUT_CODE:
            raise InvalidSpec(f"{path}: remove it; only the package's own code is run")
    with torch.random.fork_rng(devices=()):
        try:
            module = builder(**args)
        except Exception as error:  # whatever a builder makes of arguments that it did not expect
            first = str(error).strip().partition("\n")[0]
            raise InvalidSpec(
                f"{field}.args: {ref} cannot be built with {dict(args)}: {first}"
            ) from error
    if not isinstance(module, nn.Module):
        raise InvalidSpec(f"{field}.ref: {ref} does not build a torch module")
    return module.eval()


def _builder(ref: str, field: str) -> Builder:
    if ref in _OWN:
        return _OWN[ref]
    for entry in entry_points(group=ENTRY_POINTS, name=ref):
        added: Builder = entry.load()
        return added
    package, _, name = ref.partition(".")
    family = FAMILIES.get(package)
    if family is None:
        raise _unknown(field, ref, (*_OWN, *_added()))
    if not family.is_installed:
        raise BadInput(
            f"{field}.ref: {ref} needs the package {package}; {family.remedy}",
            reason=Reason.UNKNOWN_ARCHITECTURE,
        )
    found = family.find(name)
    if found is None:
        raise _unknown(field, ref, tuple(f"{package}.{known}" for known in family.names()))
    return found


def _unknown(field: str, ref: str, known: tuple[str, ...]) -> BadInput:
    near = difflib.get_close_matches(ref, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else "use torchvision.<model>"
    return BadInput(
        f"{field}.ref: no architecture is named {ref}; {hint}",
        reason=Reason.UNKNOWN_ARCHITECTURE,
    )


def _added() -> Iterator[str]:
    return (entry.name for entry in entry_points(group=ENTRY_POINTS))


def _keys(args: Mapping[str, Any], path: str) -> Iterator[tuple[str, str]]:
    """Every key of arguments, and where it stands."""
    waiting: list[tuple[str, Any, int]] = [(path, args, 0)]
    while waiting:
        here, value, depth = waiting.pop()
        if depth > _DEEPEST:
            raise InvalidSpec(f"{here}: it is nested too deeply")
        if isinstance(value, Mapping):
            for key, inner in value.items():
                yield f"{here}.{key}", str(key)
                waiting.append((f"{here}.{key}", inner, depth + 1))
        elif isinstance(value, list | tuple):
            waiting += [(f"{here}[{i}]", inner, depth + 1) for i, inner in enumerate(value)]
