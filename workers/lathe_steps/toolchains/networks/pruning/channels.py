"""Channels that can only be removed together, found and removed by torch-pruning."""

import math
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch_pruning as tp
from torch import nn

from lathe_steps.errors import Internal
from lathe_steps.reasons import Reason
from lathe_steps.toolchains.networks import calls
from lathe_steps.toolchains.networks.pruning.budget import Cut, Side
from lathe_steps.toolchains.networks.pruning.shuffles import DependencyGraph

_IMPORTANCE = {
    "L1": lambda: tp.importance.GroupMagnitudeImportance(p=1),
    "L2": lambda: tp.importance.GroupMagnitudeImportance(p=2),
    "BNScale": tp.importance.BNScaleImportance,
    "Random": tp.importance.RandomImportance,
    "Taylor": lambda: tp.importance.GroupMagnitudeImportance(
        p=1, group_reduction="sum", normalizer=None
    ),
}
_FIXED = (tp.ops.OPTYPE.OUTPUT, tp.ops.OPTYPE.MHA)
"""What takes or gives a fixed number of channels."""
_ACROSS = (nn.LayerNorm, nn.GroupNorm)
"""Modules that mix channels without weights for each pair of them."""
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


@dataclass(frozen=True, slots=True)
class ChannelGroup:
    """Channels of one layer, with everything in other layers that goes with them.

    Attributes:
        root: Name of the layer.
        scores: Importance of each unit.
        repeats: Channels per unit: one for each group of a grouped convolution.
        cuts: What each unit takes away from which layer.
        across: Whether a module mixes these channels, so that removing them is not the same as
            ignoring them.
    """

    root: str
    scores: tuple[float, ...]
    repeats: int
    cuts: tuple[Cut, ...]
    across: bool

    @property
    def layers(self) -> frozenset[str]:
        """Names of the layers that give these channels."""
        return frozenset(cut.layer for cut in self.cuts if cut.side == "out")

    def channels(self, units: Sequence[int]) -> list[int]:
        """The channels of the layer that some units are."""
        size = len(self.scores)
        return sorted(unit + size * i for i in range(self.repeats) for unit in units)


class Dependencies:
    """Which channels depend on which, in a model as it is now.

    Raises:
        Internal: UnsupportedModel, when torch-pruning cannot follow the model.
    """

    def __init__(self, module: nn.Module, inputs: calls.Tensors) -> None:
        self._module = module
        self._names = {child: name for name, child in module.named_modules()}
        self._graph = DependencyGraph()
        with _following("the model"):
            self._graph.build_dependency(
                module,
                example_inputs=inputs,
                forward_fn=calls.call,
                output_transform=_marked,
                verbose=False,
            )

    def groups(self, importance: str, ignored: Sequence[nn.Module]) -> Iterator[ChannelGroup]:
        """Every group that may be pruned, with the importance of its units.

        For Taylor, importances have to stand in for the weights, as `taylor.instead` does it.
        Groups that reach an output of the model, an ignored layer, a reshape that rearranges
        channels, or the heads of an attention are left out, and so are those whose importance is
        undefined.
        """
        score = _IMPORTANCE[importance]()
        layers = [*_CONVOLUTIONS, *_TRANSPOSED, nn.Linear]
        with _following("the model"):
            found = list(
                self._graph.get_all_groups(ignored_layers=list(ignored), root_module_types=layers)
            )
        for group in found:
            targets = {dep.target for dep, _ in group}
            if targets & self._graph.ends or any(t.type in _FIXED for t in targets):
                continue
            with _following(self._names[group[0].dep.target.module]):
                scores = score(group)
            if scores is not None:
                yield self._described(group, scores)

    def _described(self, group: Any, scores: torch.Tensor) -> ChannelGroup:  # noqa: ANN401
        repeats = max((_repeats(dep) for dep, _ in group), default=1)
        units = scores.view(repeats, -1).mean(dim=0)
        cuts = tuple(self._cuts(group, len(units)))
        return ChannelGroup(
            root=self._names[group[0].dep.target.module],
            scores=tuple(units.tolist()),
            repeats=repeats,
            cuts=cuts,
            across=any(isinstance(dep.target.module, _ACROSS) for dep, _ in group),
        )

    def _cuts(self, group: Any, units: int) -> Iterator[Cut]:  # noqa: ANN401
        for dep, indices in group:
            name = self._names.get(dep.target.module)
            side = self._side(dep)
            if name is None or side is None:
                continue
            size = _size(self._graph, dep.target.module, side)
            yield Cut(name, side, len(indices) / units / size)

    def _side(self, dep: Any) -> Side | None:  # noqa: ANN401
        if self._graph.is_out_channel_pruning_fn(dep.handler):
            return "out"
        return "in" if self._graph.is_in_channel_pruning_fn(dep.handler) else None

    def taken_inputs(self, root: str, channels: list[int]) -> Mapping[str, list[int]]:
        """The input channels, by layer with weights for them, that go with some channels."""
        layer = self._module.get_submodule(root)
        with _following(root):
            group = self._graph.get_pruning_group(layer, self._out_of(layer), channels)
        return {
            self._names[dep.target.module]: list(indices)
            for dep, indices in group
            if self._side(dep) == "in" and dep.target.module in self._names
        }

    @contextmanager
    def silenced(self, cuts: Iterable[tuple[str, list[int]]]) -> Iterator[None]:
        """Let nobody listen to some channels of some layers, as long as the context lasts.

        The model then gives what it would give without them, unless a normalisation across
        channels hears them.
        """
        held: list[tuple[torch.Tensor, torch.Tensor]] = []
        with torch.no_grad():
            for root, channels in cuts:
                for name, taken in self.taken_inputs(root, channels).items():
                    layer: Any = self._module.get_submodule(name)
                    axis = 0 if isinstance(layer, _TRANSPOSED) else 1
                    size = layer.weight.shape[axis]
                    held.append((layer.weight, layer.weight.clone()))
                    places = torch.tensor(sorted({i % size for i in taken}))
                    layer.weight.index_fill_(axis, places, 0)
            try:
                yield
            finally:
                for weight, was in reversed(held):
                    weight.copy_(was)

    def remove(self, root: str, channels: list[int]) -> None:
        """Remove channels of a layer, and whatever depends on them."""
        layer = self._module.get_submodule(root)
        with _following(root):
            group = self._graph.get_pruning_group(layer, self._out_of(layer), channels)
            if not self._graph.check_pruning_group(group):
                raise ValueError("nothing would be left of a layer that depends on it")
            group.prune()

    def _out_of(self, layer: nn.Module) -> Any:  # noqa: ANN401
        return self._graph.get_pruner_of_module(layer).prune_out_channels


@contextmanager
def _following(what: str) -> Iterator[None]:
    """Say which part of the model torch-pruning fails on; it may raise anything.

    Its advice to programmers is kept from users' terminals.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Exception as error:
        raise Internal(
            f"prune: torch-pruning cannot follow {what}: {str(error) or type(error).__name__}; "
            "list what cannot be pruned in prune.ignore",
            reason=Reason.UNSUPPORTED_MODEL,
        ) from error


def _marked(outputs: calls.Tensors) -> list[torch.Tensor]:
    """Outputs with an operation of their own, by which torch-pruning knows that they are."""
    return [tensor.clone() for tensor in outputs.values() if tensor.grad_fn is not None]


def _repeats(dep: Any) -> int:  # noqa: ANN401
    module = dep.target.module
    if isinstance(module, _CONVOLUTIONS):
        return 1 if module.groups == module.out_channels else module.groups
    return module.num_groups if isinstance(module, nn.GroupNorm) else 1


def _size(graph: Any, module: Any, side: Side) -> int:  # noqa: ANN401
    size = graph.get_out_channels(module) if side == "out" else graph.get_in_channels(module)
    return int(size)


def multiple(round_to: int, repeats: int) -> int:
    """Units to keep a multiple of, so that channels are kept in multiples of `round_to`."""
    return round_to // math.gcd(round_to, repeats)


def least(scores: Sequence[float], count: int) -> list[int]:
    """The units of least importance."""
    return sorted(range(len(scores)), key=lambda unit: scores[unit])[:count]
