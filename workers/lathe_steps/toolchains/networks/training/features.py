"""What happens inside two models, compared: pairs of layers whose outputs are to agree."""

import difflib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn import functional

from lathe_steps.errors import InvalidSpec
from lathe_steps.toolchains.networks import calls
from lathe_steps.toolchains.networks.models.model import Network
from lathe_steps.toolchains.networks.training.losses import Distance

_PLANES = 4
"""With so many axes or more, the second one is the width; with fewer, the last one."""


class Paired(nn.Module):
    """Pairs of layers, and the linear maps between those of different widths, which learn along.

    The maps are the regressors of FitNets (Romero et al., 2015). Features are scaled to length 1
    at each position before they are compared, so that a layer with large values does not drown
    the rest.
    """

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Take the names of the student's and the teacher's layers."""
        super().__init__()
        self.maps = nn.ModuleList()
        self._pairs = tuple(pairs)
        self._student: dict[str, torch.Tensor] = {}
        self._teacher: dict[str, torch.Tensor] = {}

    def times(self, weight: float) -> Distance:
        """The distance of all pairs after a call of both models, times a weight."""

        def distance() -> torch.Tensor:
            parts = [
                _apart(regressor(_last(self._student[ours])), _last(self._teacher[theirs]))
                for regressor, (ours, theirs) in zip(self.maps, self._pairs, strict=True)
            ]
            self._student.clear()
            self._teacher.clear()
            return weight * torch.stack(parts).sum()

        return distance

    def watch(
        self, student: nn.Module, teacher: nn.Module
    ) -> list[torch.utils.hooks.RemovableHandle]:
        """Keep what the layers give at each call, until the hooks are removed."""
        sides = ((student, self._student, 0), (teacher, self._teacher, 1))
        return [
            module.get_submodule(pair[side]).register_forward_hook(_keep(found, pair[side]))
            for module, found, side in sides
            for pair in dict.fromkeys(self._pairs)
        ]

    def measure(self) -> None:
        """Make a map for each pair, by what both models have given at their last calls.

        Raises:
            InvalidSpec: When a layer was not called or gave no tensor, or when the positions of a
                pair differ.
        """
        for number, (ours, theirs) in enumerate(self._pairs):
            field = f"distill.features[{number}]"
            own = _found(self._student, ours, f"{field}.student")
            wanted = _found(self._teacher, theirs, f"{field}.teacher")
            if own.shape[:-1] != wanted.shape[:-1]:
                raise InvalidSpec(
                    f"{field}: {ours} gives the positions {list(own.shape[1:-1])} and {theirs} "
                    f"{list(wanted.shape[1:-1])}; pair layers that give as many"
                )
            same = own.shape[-1] == wanted.shape[-1]
            self.maps.append(
                nn.Identity() if same else nn.Linear(own.shape[-1], wanted.shape[-1], bias=False)
            )
        self._student.clear()
        self._teacher.clear()


@contextmanager
def paired(
    student: Network, teacher: Network, pairs: Sequence[tuple[str, str]], *, seed: int
) -> Iterator[Paired]:
    """Watch pairs of layers of two models that take the same inputs, while within.

    Raises:
        InvalidSpec: Naming the pair whose layers do not exist or do not fit each other.
    """
    for number, (ours, theirs) in enumerate(pairs):
        _require(student.module, ours, f"distill.features[{number}].student")
        _require(teacher.module, theirs, f"distill.features[{number}].teacher")
    watched = Paired(pairs)
    hooks = watched.watch(student.module, teacher.module)
    try:
        with torch.random.fork_rng(devices=()), torch.no_grad():
            torch.manual_seed(seed)
            if pairs:
                sizes = calls.workable_sizes(student.module, student.inputs)
                inputs = calls.random_inputs(student.inputs, sizes)
                calls.call(student.module, inputs)
                calls.call(teacher.module, inputs)
                watched.measure()
        yield watched
    finally:
        for hook in hooks:
            hook.remove()


def _keep(found: dict[str, torch.Tensor], name: str) -> Callable[[nn.Module, object, object], None]:
    def hook(_: nn.Module, __: object, given: object) -> None:
        if isinstance(given, torch.Tensor):
            found[name] = given

    return hook


def _require(module: nn.Module, name: str, field: str) -> None:
    known = dict(module.named_modules())
    if name not in known:
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.3)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise InvalidSpec(f"{field}: the model has no layer {name}{hint}")


def _found(found: dict[str, torch.Tensor], name: str, field: str) -> torch.Tensor:
    if name not in found or found[name].dim() < 2:  # noqa: PLR2004 - batch and width
        raise InvalidSpec(f"{field}: {name} gives no tensor of features when the model is called")
    return _last(found[name])


def _last(features: torch.Tensor) -> torch.Tensor:
    """Features with the width as their last axis."""
    return features.movedim(1, -1) if features.dim() >= _PLANES else features


def _apart(own: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Squared distance of features of length 1, averaged over samples and positions: 0 to 4."""
    difference = functional.normalize(own.float(), dim=-1) - functional.normalize(
        wanted.float(), dim=-1
    )
    return difference.square().sum(dim=-1).mean()
