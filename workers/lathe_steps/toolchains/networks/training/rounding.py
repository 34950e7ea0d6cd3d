"""Training with rounded weights and activations, and the ranges that come of it."""

import fnmatch
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from lathe_steps.errors import Internal, InvalidSpec
from lathe_steps.reasons import Reason
from lathe_steps.toolchains.networks import calls, samples
from lathe_steps.toolchains.networks.models.model import Network
from lathe_steps.toolchains.networks.training.course import Course
from lathe_steps.toolchains.ranges import RANGES

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_LAYERS = (nn.Linear, *_CONVOLUTIONS)
_SLOWEST = 0.01
"""Weight of a new batch in the moving average, once there were enough for a plain mean."""
_FIRST = 4
"""Batches that ranges see before the training."""
_MOVING = 0.75
"""Share of the training after which ranges stand still."""
_SMALLEST = 1e-8
"""Below this, a scale is taken for this: a channel of zeros has none."""


@dataclass(frozen=True, slots=True)
class Grid:
    """How finely values are rounded, in bits."""

    weights: int = 8
    activations: int = 8


def layers_of(module: nn.Module, exclude: Sequence[str] = ()) -> tuple[str, ...]:
    """Names of the layers whose weights and inputs are rounded: convolutions and linear layers.

    Others that have weights (transposed convolutions, recurrent layers, the products within
    attention) stay in floating point.

    Raises:
        InvalidSpec: When an entry of exclude matches no layer.
        Internal: UnsupportedModel, when no layer is left.
    """
    names = [name for name, child in module.named_modules() if type(child) in _LAYERS]
    left = list(names)
    for entry in exclude:
        hits = {name for name in names if _is_within(name, entry)}
        if not hits:
            raise InvalidSpec(
                f"quantizeAware.exclude: no layer is named {entry}; there are "
                f"{', '.join(names[:5])}, …"
            )
        left = [name for name in left if name not in hits]
    if not left:
        raise Internal(
            "quantizeAware: the model has no convolution or linear layer to round; leave the step "
            "out",
            reason=Reason.UNSUPPORTED_MODEL,
        )
    return tuple(left)


def _is_within(name: str, pattern: str) -> bool:
    """Whether a pattern matches a layer, or a module that it is in."""
    parts = name.split(".")
    return any(
        fnmatch.fnmatchcase(".".join(parts[:count]), pattern) for count in range(1, len(parts) + 1)
    )


class Ranges(nn.Module):
    """The lowest and highest value of each layer's input: averages that move while it trains."""

    low: torch.Tensor
    high: torch.Tensor
    seen: torch.Tensor

    def __init__(self, layers: Sequence[str], until: int) -> None:
        """Move for so many calls of each layer in training, and then stand still."""
        super().__init__()
        self.layers = tuple(layers)
        self._until = until
        self.register_buffer("low", torch.zeros(len(layers)))
        self.register_buffer("high", torch.zeros(len(layers)))
        self.register_buffer("seen", torch.zeros(len(layers), dtype=torch.int64))

    @torch.no_grad()
    def of(self, layer: int, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The range of a layer, 0 included, which these values move while it trains."""
        if self.training:
            low, high = torch.aminmax(values.detach().float())
            seen = self.seen[layer]
            share = (1 / (seen + 1)).clamp(min=_SLOWEST) * (seen < self._until)
            self.low[layer].lerp_(low.clamp(max=0), share)
            self.high[layer].lerp_(high.clamp(min=0), share)
            seen += 1
        return self.low[layer], self.high[layer]

    def found(self) -> dict[str, dict[str, float]]:
        """The range of every layer that was called, by name."""
        return {
            name: {"low": low, "high": high}
            for name, low, high, seen in zip(
                self.layers, self.low.tolist(), self.high.tolist(), self.seen.tolist(), strict=True
            )
            if seen
        }


def write(ranges: Ranges, folder: Path) -> None:
    """Write the ranges beside the weights, as `ranges.json`."""
    (folder / RANGES).write_text(json.dumps(ranges.found(), indent=1))


@contextmanager
def rounded(
    network: Network, layers: Sequence[str], grid: Grid, course: Course
) -> Iterator[Ranges]:
    """Let layers compute with rounded weights and inputs, while within.

    The weights stay as they are; only what is computed with is rounded. Ranges begin as what the
    first batches show.

    Args:
        network: The model.
        layers: Names of the layers.
        grid: How finely.
        course: The training to come.

    Raises:
        BadInput: When the samples do not fit the model.
    """
    ranges = Ranges(layers, _FIRST + round(_MOVING * course.updates))
    children = [network.module.get_submodule(name) for name in layers]
    for number, child in enumerate(children):
        child.forward = _forward(child, number, ranges, grid)
    try:
        _look(network, ranges, course)
        yield ranges
    finally:
        for child in children:
            del child.forward


@torch.no_grad()
def _look(network: Network, ranges: Ranges, course: Course) -> None:
    """Let the ranges see the first batches before anything is learned."""
    ranges.train()
    for batch in course.dataset.batches(
        course.settings.batch_size, limit=_FIRST * course.settings.batch_size
    ):
        calls.call(network.module, samples.tensors_of(batch, network.inputs, course.dataset.name))
    ranges.eval()  # whatever is called before the training is no sample


def _forward(
    layer: Any,  # noqa: ANN401 - a convolution or a linear layer
    number: int,
    ranges: Ranges,
    grid: Grid,
) -> Callable[[torch.Tensor], torch.Tensor]:
    def forward(given: torch.Tensor) -> torch.Tensor:
        values = activations(given.float(), *ranges.of(number, given), bits=grid.activations)
        weight = weights(layer.weight, bits=grid.weights)
        if isinstance(layer, nn.Linear):
            return functional.linear(values, weight, layer.bias)
        found: torch.Tensor = layer._conv_forward(values, weight, layer.bias)  # noqa: SLF001
        return found

    return forward


def weights(values: torch.Tensor, *, bits: int) -> torch.Tensor:
    """Round weights, symmetrically, with a scale for each index of the first axis.

    The gradient passes through unchanged (straight-through estimator; Bengio et al., 2013).
    """
    most = 2 ** (bits - 1) - 1
    largest = values.detach().abs().amax(dim=tuple(range(1, values.dim())), keepdim=True)
    scale = (largest / most).clamp(min=_SMALLEST)
    return _straight(values, (values.detach() / scale).round() * scale)


def activations(
    values: torch.Tensor, low: torch.Tensor, high: torch.Tensor, *, bits: int
) -> torch.Tensor:
    """Round values to a range in which 0 is exact; what lies outside is cut off.

    The gradient passes through where a value lies within the range, and is 0 elsewhere.
    """
    most = 2**bits - 1
    scale = ((high - low) / most).clamp(min=_SMALLEST)
    zero = (-low / scale).round()
    cut = values.clamp(-zero * scale, (most - zero) * scale)
    return _straight(cut, (cut.detach() / scale).round() * scale)


def _straight(values: torch.Tensor, rounded_values: torch.Tensor) -> torch.Tensor:
    """Rounded values whose gradient is that of the values."""
    return values + (rounded_values - values.detach())
