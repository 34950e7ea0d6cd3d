"""Folding batch normalisations into the layers before them."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights, fuse_linear_bn_weights

from lathe_steps.errors import Internal
from lathe_steps.toolchains.graphs.comparison import Difference, largest_difference
from lathe_steps.toolchains.networks import calls
from lathe_steps.toolchains.networks.models import structure
from lathe_steps.toolchains.networks.models.model import Network

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_NORMALISATIONS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_TOLERANCE = 1e-4
"""Largest difference of the outputs, relative to their largest value, that is rounding."""


class Pair(NamedTuple):
    """A layer and the batch normalisation that takes its output, by name."""

    layer: str
    normalisation: str


def fold(network: Network) -> tuple[tuple[Pair, ...], Difference]:
    """Fold every batch normalisation that directly follows a layer, in place.

    Which follows which is seen by running the model, so that any code in `forward` will do. When
    the outputs change (an output of a layer that goes elsewhere too), the pairs are tried one by
    one, and only those that change nothing stay folded.

    Returns:
        What was folded, and the largest difference of the outputs.

    Raises:
        Internal: When the folded model's outputs differ from the model's.
    """
    inputs = calls.random_inputs(
        network.inputs, calls.workable_sizes(network.module, network.inputs)
    )
    expected = _outputs(network.module, inputs)
    pairs = _pairs(network.module, inputs)
    kept = _folded(network.module, pairs)
    if _compare(expected, network.module, inputs).relative > _TOLERANCE:
        _undo(network.module, kept)
        kept = _one_by_one(network.module, pairs, inputs, expected)
    difference = _compare(expected, network.module, inputs)
    if difference.relative > _TOLERANCE:
        raise Internal(
            f"fuse: folding changed {difference.output} by {difference.relative:.2g} of its "
            "largest value; leave the step out"
        )
    return tuple(pair for pair, _, _ in kept), difference


_Undo = tuple[Pair, nn.Module, nn.Module]
"""A folded pair with the two modules as they were."""


def _one_by_one(
    module: nn.Module, pairs: Iterable[Pair], inputs: calls.Tensors, expected: calls.Tensors
) -> list[_Undo]:
    kept = []
    for pair in pairs:
        folded = _folded(module, [pair])
        if _compare(expected, module, inputs).relative > _TOLERANCE:
            _undo(module, folded)
        else:
            kept += folded
    return kept


def _folded(module: nn.Module, pairs: Iterable[Pair]) -> list[_Undo]:
    done = []
    for pair in pairs:
        layer = module.get_submodule(pair.layer)
        normalisation = module.get_submodule(pair.normalisation)
        structure.replace(module, pair.layer, _merged(layer, normalisation))
        structure.replace(module, pair.normalisation, nn.Identity())
        done.append((pair, layer, normalisation))
    return done


def _undo(module: nn.Module, folded: Iterable[_Undo]) -> None:
    for pair, layer, normalisation in folded:
        structure.replace(module, pair.layer, layer)
        structure.replace(module, pair.normalisation, normalisation)


@torch.no_grad()
def _merged(layer: Any, norm: Any) -> nn.Module:  # noqa: ANN401 - any of the kinds above
    """A layer of the same kind that computes both."""
    merged = _shallow_copy(layer)
    statistics = (norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias)
    if isinstance(layer, nn.Linear):
        merged.weight, merged.bias = fuse_linear_bn_weights(layer.weight, layer.bias, *statistics)
    else:
        merged.weight, merged.bias = fuse_conv_bn_weights(
            layer.weight, layer.bias, *statistics, transpose=isinstance(layer, _TRANSPOSED)
        )
    return merged


def _shallow_copy(layer: nn.Module) -> nn.Module:
    copy: nn.Module = layer.__new__(type(layer))
    copy.__dict__ = dict(layer.__dict__)
    copy._parameters = dict(layer._parameters)  # noqa: SLF001 - the copy gets its own
    return copy


def _pairs(module: nn.Module, inputs: calls.Tensors) -> list[Pair]:
    """Layers whose output is exactly what a normalisation takes, each called once."""
    made: dict[int, tuple[str, torch.Tensor]] = {}
    seen: list[tuple[str, nn.Module]] = []
    pairs: list[Pair] = []

    def record(name: str, child: nn.Module, taken: torch.Tensor, given: torch.Tensor) -> None:
        seen.append((name, child))
        source = made.get(id(taken))
        if isinstance(child, _NORMALISATIONS) and source and source[1] is taken:
            pairs.append(Pair(source[0], name))
        made[id(given)] = (name, given)  # holding it keeps its identity from being reused

    hooks = [
        child.register_forward_hook(
            lambda called, args, given, name=name: record(name, called, args[0], given)
        )
        for name, child in module.named_modules()
        if _is_layer(child) or _is_foldable(child)
    ]
    _outputs(module, inputs)
    for hook in hooks:
        hook.remove()
    times = [child for _, child in seen]
    layers = dict(seen)
    return [
        pair
        for pair in pairs
        if _is_layer(layers[pair.layer])
        and all(sum(layers[name] is child for child in times) == 1 for name in pair)
    ]


def _is_layer(module: nn.Module) -> bool:
    if isinstance(module, _TRANSPOSED):
        return module.groups == 1
    return type(module) in {nn.Linear, *_CONVOLUTIONS}


def _is_foldable(module: nn.Module) -> bool:
    return isinstance(module, _NORMALISATIONS) and module.running_mean is not None


@torch.no_grad()
def _outputs(module: nn.Module, inputs: calls.Tensors) -> calls.Tensors:
    return calls.call(module, inputs)


def _compare(expected: calls.Tensors, module: nn.Module, inputs: calls.Tensors) -> Difference:
    found = _outputs(module, inputs)
    return largest_difference(calls.arrays_of(expected), calls.arrays_of(found))
