"""Which places of a graph make most noise when they are rounded: a ranking without labels."""

from collections.abc import Callable, Sequence
from itertools import islice

import numpy as np

from lathe_steps.base import Dataset, TensorSpec
from lathe_steps.evidence import MOST_LAYERS, LayerEffect, Sensitivity
from lathe_steps.toolchains.graphs import watching
from lathe_steps.toolchains.graphs.places import Place
from lathe_steps.toolchains.graphs.simulation import Simulation

SAMPLES = 16
"""Samples that noise is measured on."""
_BATCH = 8

Progress = Callable[[float, str], None]


def by_noise(
    simulation: Simulation,
    inputs: tuple[TensorSpec, ...],
    dataset: Dataset,
    progress: Progress,
) -> list[tuple[Place, float]]:
    """Round each place alone, and measure the noise of the outputs.

    Returns:
        Places by the power of that noise over the power of the outputs, the largest first.

    Raises:
        BadInput: When the samples do not fit the model.
    """
    feeds = [f for _, f in islice(watching.feeds(inputs, dataset, SAMPLES, _BATCH), SAMPLES)]
    wanted = [simulation.run(feed, (), dataset.name) for feed in feeds]
    found = []
    for i, place in enumerate(simulation.places):
        progress(i / len(simulation.places), f"rounding {place.label}")
        given = (simulation.run(feed, (place,), dataset.name) for feed in feeds)
        noises = [
            _noise(right[name], each[name])
            for right, each in zip(wanted, given, strict=True)
            for name in right
            if np.issubdtype(right[name].dtype, np.floating)
        ]
        found.append((place, float(np.mean(noises)) if noises else 0.0))
    return sorted(found, key=lambda it: -it[1])


def _noise(wanted: np.ndarray, found: np.ndarray) -> float:
    finite = np.isfinite(wanted) & np.isfinite(found)
    power = float(np.square(wanted[finite], dtype=np.float64).mean()) if finite.any() else 0.0
    error = np.subtract(found[finite], wanted[finite], dtype=np.float64)
    return float(np.square(error).mean()) / power if power else 0.0


def as_evidence(ranked: Sequence[tuple[Place, float]], change: str) -> Sensitivity:
    """The ranking, for the report."""
    effects = tuple(LayerEffect(place.label, noise) for place, noise in ranked[:MOST_LAYERS])
    return Sensitivity(change, "noise over signal of the outputs", SAMPLES, effects)
