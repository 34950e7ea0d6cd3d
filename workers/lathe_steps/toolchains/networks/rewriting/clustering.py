"""Letting weights share few values, found by k-means and trained on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch

from lathe_steps.base import Artifact, Context
from lathe_steps.errors import Internal, InvalidSpec
from lathe_steps.evidence import Evidence
from lathe_steps.toolchains import kmeans
from lathe_steps.toolchains.networks import calls
from lathe_steps.toolchains.networks.models import model, unused
from lathe_steps.toolchains.networks.models.constraints import Constraints
from lathe_steps.toolchains.networks.models.model import Facts, Network
from lathe_steps.toolchains.networks.models.weights import Weights, of_layers
from lathe_steps.toolchains.networks.training import recovering, resuming
from lathe_steps.toolchains.networks.training.course import Trail
from lathe_steps.toolchains.training import Recovery

EFFECT = "none: shared values are stored and computed like other weights"


@dataclass(frozen=True, slots=True)
class Wish:
    """How to share; the fields are those of the step."""

    clusters: int
    init: kmeans.Init
    per_layer: bool
    keep_zeros: bool
    rounding: Literal["FP32", "FP16"]
    ignore: tuple[str, ...]


def cluster(
    artifact: Artifact, wish: Wish, recovery: Recovery | None, context: Context
) -> Artifact:
    """Replace weights by the nearest centroid, train the centroids, and mark what is shared.

    Raises:
        InvalidSpec: When a pattern of ignore matches nothing, or a value is too large to round.
        BadInput, Internal: What training raises; Internal when weights are no numbers.
    """
    network, state = resuming.begin(artifact, context.checkpoints)
    sizes = calls.workable_sizes(network.module, network.inputs)
    unused.drop(network.module, calls.random_inputs(network.inputs, sizes))
    weights = of_layers(network.module, wish.ignore, "cluster")
    groups = [[name] for name in weights] if wish.per_layer else [list(weights)]
    network = replace(network, constraints=_marked(network.constraints, weights, wish))
    if not state:
        state = _share(weights, groups, wish, context)
        resuming.keep(context.checkpoints, network, state)
    trained: Facts = {}
    curves: list[Evidence] = []
    if recovery is not None:
        context.progress(0.1, "training the shared values")
        trained = recovering.recover(
            network,
            recovery,
            context,
            step="cluster",
            progress=lambda share, said: context.progress(0.1 + 0.9 * share, said),
            trail=Trail(
                resuming.part(context.checkpoints, "training", network, state), curves.append
            ),
        )
    if wish.rounding == "FP16":
        _round(network, weights)
    losses = {name: fact for name, fact in trained.items() if name.startswith("loss")}
    facts = {**state, **losses, **_facts(weights, groups)}
    return model.save(network, context.out, facts, curves)


def _marked(before: Constraints, weights: Weights, wish: Wish) -> Constraints:
    """What training has to keep from now on."""
    zeros = [name for name in before.zeros if wish.keep_zeros or name not in weights]
    if wish.keep_zeros:
        zeros += weights
    shared = [name for name in before.shared if name not in weights]
    pooled = [name for name in before.pooled if name not in weights]
    (shared if wish.per_layer else pooled).extend(weights)
    return Constraints(tuple(dict.fromkeys(zeros)), tuple(shared), tuple(pooled))


def _share(
    weights: Weights, groups: Iterable[list[str]], wish: Wish, context: Context
) -> dict[str, float | int | str]:
    """Move every weight to the nearest centroid of its group, in place.

    Returns:
        Facts: by how much of their own size the weights moved.
    """
    moved = size = 0.0
    groups = list(groups)
    for done, names in enumerate(groups):
        context.progress(0.1 * done / len(groups), f"sharing the values of {names[0]}")
        before = {name: weights[name].detach().numpy() for name in names}
        flat = np.concatenate([array.ravel() for array in before.values()]).astype(np.float32)
        _require_numbers(names, flat)
        chosen = flat[flat != 0] if wish.keep_zeros else flat
        found = kmeans.centroids(chosen, wish.clusters, wish.init, context.seed + done)
        for name, array in before.items():
            after = _nearest(array, found, wish)
            moved += float(np.square(after - array, dtype=np.float64).sum())
            size += float(np.square(array, dtype=np.float64).sum())
            with torch.no_grad():
                weights[name].copy_(torch.from_numpy(after))
    return {"relative_error": round((moved / size) ** 0.5, 6) if size else 0.0}


def _nearest(array: np.ndarray, found: np.ndarray, wish: Wish) -> np.ndarray:
    if not found.size:
        return array
    near = kmeans.nearest(array, found)
    return np.where(array == 0, np.float32(0), near) if wish.keep_zeros else near


def _require_numbers(names: list[str], flat: np.ndarray) -> None:
    if not np.isfinite(flat).all():
        raise Internal(
            f"cluster: {names[0]}, or a weight with the same values, holds infinities or what is "
            "no number; add the layer to cluster.ignore, or train the model again"
        )


@torch.no_grad()
def _round(network: Network, weights: Weights) -> None:
    """Round shared values, biases and normalisations to what 16 bits hold, in place."""
    parameters = dict(network.module.named_parameters())
    chosen = {n: p for n, p in parameters.items() if n in weights or p.dim() <= 1}
    for name, parameter in chosen.items():
        rounded = parameter.half().to(parameter.dtype)
        if not rounded.isfinite().all():
            raise InvalidSpec(
                f"cluster.rounding: {name} holds {float(parameter.abs().max()):g}, too large for "
                "FP16; choose FP32"
            )
        parameter.copy_(rounded + 0.0)  # what became a negative zero is a zero


def _facts(weights: Weights, groups: list[list[str]]) -> Mapping[str, float | int | str]:
    values = [torch.cat([weights[name].detach().flatten() for name in names]) for names in groups]
    nonzero = sum(int(v.count_nonzero()) for v in values)
    return {
        "codebooks": len(groups),
        "most_values": max(len(np.unique(v.numpy())) for v in values),
        "weights_considered": sum(v.numel() for v in values),
        "zeros": round(1 - nonzero / sum(v.numel() for v in values), 6),
        "runtime_effect": EFFECT,
    }
