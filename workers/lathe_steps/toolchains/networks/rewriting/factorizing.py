"""Which layers of a network are worth writing in thin parts: those that get smaller and faster."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import nn

from lathe_steps.errors import Internal, InvalidSpec
from lathe_steps.evidence import Curve, Evidence, thinned
from lathe_steps.reasons import Reason
from lathe_steps.toolchains.networks import calls, census, layer_timing
from lathe_steps.toolchains.networks.models import structure
from lathe_steps.toolchains.networks.models.model import Facts, Network
from lathe_steps.toolchains.networks.models.selecting import ignored
from lathe_steps.toolchains.networks.rewriting import low_rank

_FASTER = 0.97
"""Share of a layer's latency that its parts may take; more is the noise of measuring."""
_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Wish:
    """How to factorise; the fields are those of the step."""

    kinds: tuple[str, ...]
    wanted: low_rank.Wanted
    least_saving: float
    faster: bool
    ignore: tuple[str, ...]


class Trial(NamedTuple):
    """A layer and its parts.

    Attributes:
        name: Of the layer.
        parts: What would stand in for it.
        saving: Share of the layer's weights that the parts save.
        before: Milliseconds of the layer.
        after: Milliseconds of its parts.
    """

    name: str
    parts: low_rank.Parts
    saving: float
    before: float
    after: float


def factorise(
    network: Network, wish: Wish, *, threads: int, progress: Callable[[float, str], None]
) -> tuple[Facts, tuple[Evidence, ...]]:
    """Write layers in parts, in place, where they get smaller and, if so wished, faster.

    Latency is that of the layer alone in ONNX Runtime on this machine, for one sample.

    Returns:
        Facts, and the latency of each changed layer before and after.

    Raises:
        InvalidSpec: When an entry of ignore matches nothing, or no layer is worth it.
        Internal: UnsupportedModel, when the model does not run with a layer in parts.
    """
    module = network.module
    inputs = _one_sample(network)
    before = census.figures(module, inputs)
    taken = dict(_taken(module, wish, inputs))
    trials = []
    for i, (name, sample) in enumerate(taken.items()):
        progress(i / len(taken), f"layer {i + 1}/{len(taken)}: {name}")
        trials.append(_tried(module, name, sample, wish, threads))
    worth = [trial for trial in trials if _is_worth_it(trial, wish)]
    if not worth:
        raise InvalidSpec(_why_none(trials, wish))
    for trial in worth:
        structure.replace(module, trial.name, trial.parts.module)
        _check(module, inputs, trial.name)
    facts = census.facts(before, census.figures(module, inputs))
    return {**facts, **_facts(worth, trials)}, _evidence(worth)


def _one_sample(network: Network) -> calls.Tensors:
    """Inputs of one sample, where the model takes one."""
    sizes = calls.workable_sizes(network.module, network.inputs)
    return calls.random_inputs(network.inputs, calls.single(network.inputs, sizes))


def _taken(
    module: nn.Module, wish: Wish, inputs: calls.Tensors
) -> Iterator[tuple[str, torch.Tensor]]:
    """What each layer that may be factorised takes, in the order in which they are called."""
    left_alone = set(ignored(module, wish.ignore, "factorize.ignore"))
    seen: dict[str, torch.Tensor] = {}

    def record(name: str, taken: torch.Tensor) -> None:
        seen.setdefault(name, taken.detach())

    hooks = [
        layer.register_forward_hook(lambda _, args, __, name=name: record(name, args[0]))
        for name, layer in module.named_modules()
        if type(layer).__name__ in wish.kinds
        and low_rank.is_divisible(layer)
        and layer not in left_alone
    ]
    try:
        with torch.no_grad():
            calls.call(module, inputs)
    finally:
        for hook in hooks:
            hook.remove()
    tied = _tied(module)
    for name, sample in seen.items():
        if id(module.get_submodule(name).weight) not in tied:
            yield name, sample


def _tied(module: nn.Module) -> set[int]:
    """Weights that more than one module holds: in parts, they would be stored twice."""
    held = [id(p) for m in module.modules() for p in m.parameters(recurse=False)]
    return {one for one in held if held.count(one) > 1}


def _tried(module: nn.Module, name: str, sample: torch.Tensor, wish: Wish, threads: int) -> Trial:
    layer: Any = module.get_submodule(name)
    parts = low_rank.parts(layer, wish.wanted)
    whole = _weights(layer)
    saving = 1 - _weights(parts.module) / whole
    if saving < wish.least_saving:
        return Trial(name, parts, saving, 0.0, 0.0)
    taken = layer_timing.latencies({"whole": layer, "parts": parts.module}, sample, threads=threads)
    return Trial(name, parts, saving, taken["whole"], taken["parts"])


def _weights(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _is_worth_it(trial: Trial, wish: Wish) -> bool:
    faster = not wish.faster or trial.after <= _FASTER * trial.before
    return trial.saving >= wish.least_saving and faster


def _why_none(trials: Sequence[Trial], wish: Wish) -> str:
    if not trials:
        return (
            f"factorize.modules: the model has no {' or '.join(wish.kinds)} that may be changed; "
            "add a kind, or ignore fewer layers"
        )
    large = [trial for trial in trials if trial.saving < wish.least_saving]
    slow = [trial for trial in trials if trial not in large]
    said = f"factorize: none of {len(trials)} layers would be worth it: {len(large)} save less "
    said += f"than minSaving {wish.least_saving:g} of their weights"
    if slow:
        best = min(slow, key=lambda trial: trial.after / trial.before)
        said += (
            f", and {len(slow)} would not be faster ({best.name}: {best.before:.3f} ms as it is, "
            f"{best.after:.3f} ms in parts)"
        )
    return f"{said}; lower the target, or leave the step out"


def _check(module: nn.Module, inputs: calls.Tensors, name: str) -> None:
    try:
        with torch.no_grad():
            calls.call(module, inputs)
    except calls.COMPLAINTS as error:
        raise Internal(
            f"factorize: the model does not run with {name} in parts: "
            f"{str(error).partition(chr(10))[0]}; list it in factorize.ignore",
            reason=Reason.UNSUPPORTED_MODEL,
        ) from error


def _facts(worth: Sequence[Trial], trials: Sequence[Trial]) -> Facts:
    names = [f"{trial.name} ({'+'.join(map(str, trial.parts.ranks))})" for trial in worth]
    return {
        "layers_considered": len(trials),
        "layers_changed": len(worth),
        "ranks": ", ".join([*names[:_SHOWN], *(["…"] if len(names) > _SHOWN else [])]),
        "energy_kept_least": min(trial.parts.energy for trial in worth),
        "changed_layers_ms_before": sum(trial.before for trial in worth),
        "changed_layers_ms": sum(trial.after for trial in worth),
    }


def _evidence(worth: Sequence[Trial]) -> tuple[Evidence, ...]:
    before = [(float(i), trial.before) for i, trial in enumerate(worth, 1)]
    after = [(float(i), trial.after) for i, trial in enumerate(worth, 1)]
    return (
        Curve("ms of each changed layer, as it was", "layer", thinned(before)),
        Curve("ms of each changed layer, in parts", "layer", thinned(after)),
    )
