"""How much each layer of a graph matters: what its rounding to 8 bits alone does to a metric."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from lathe_steps.base import Artifact, Dataset
from lathe_steps.errors import Internal
from lathe_steps.evidence import MOST_LAYERS, LayerEffect, Sensitivity
from lathe_steps.reasons import Reason
from lathe_steps.toolchains.graphs import calibration as finding
from lathe_steps.toolchains.graphs import files, places, preparing, rounding
from lathe_steps.toolchains.graphs.answering import answer_of, in_turns
from lathe_steps.toolchains.graphs.layers import Layer
from lathe_steps.toolchains.graphs.places import Place
from lathe_steps.toolchains.graphs.simulation import Simulation
from lathe_steps.toolchains.judging import Judge
from lathe_steps.toolchains.onnx_runtime import Session

_OPSET = 13
_CALIBRATION = 256
"""Samples that ranges are found on; more change them little."""
_LOOKING = 0.2
"""Share of the progress that finding them is counted as."""


def rank(
    artifact: Artifact,
    dataset: Dataset,
    samples: int,
    *,
    calibration: Dataset,
    threads: int,
    progress: Callable[[float, str], None],
) -> Sensitivity:
    """Round each layer alone to 8 bits, and measure by how much the model gets worse.

    A layer is a convolution or matrix product: its weights, a scale for each output channel, and
    its input. Nothing is written but temporary files, beside nobody's.

    Args:
        artifact: An ONNX artifact in floating point.
        dataset: What the metric is measured on: Top1 with labels, or agreement without.
        samples: On how many samples, evenly spread.
        calibration: What ranges of inputs are found on.
        threads: CPU threads.
        progress: Called with the share done and a short message.

    Returns:
        Layers by the drop of the metric, the largest first, named as the graph's nodes are.

    Raises:
        InvalidSpec: When the model is quantised already.
        BadInput: When the samples do not fit the model.
        Internal: UnsupportedModel, when there are no layers, or the graph cannot be run so.
    """
    judge = Judge(dataset, samples, answer_of(Session(artifact, threads)))
    with TemporaryDirectory() as folder:
        graph = preparing.prepare(artifact, Path(folder), opset=_OPSET)
        model = files.read(graph, weights=False)
        preparing.refuse_quantised(model, "sensitivity")
        ranges, _ = finding.ranges(
            graph,
            finding.minima_and_maxima(calibration, _CALIBRATION),
            known={},
            threads=threads,
            progress=lambda share, message: progress(_LOOKING * share, message),
        )
        sites = places.places(model.graph, ranges.keys(), ())
        onto = rounding.grid(8, signed=False, symmetric=False)
        simulation = Simulation(graph, sites, ranges, onto, _round, threads=threads)
        inputs = files.inputs(model)
        effects = []
        layers = _layers(sites)
        for i, (name, rounded) in enumerate(layers.items()):
            progress(_LOOKING + (1 - _LOOKING) * i / len(layers), f"rounding {name}")
            answer = in_turns(inputs, _rounding(simulation, rounded, dataset.name))
            effects.append(LayerEffect(name, judge.reference - judge.quality(answer)))
    effects.sort(key=lambda it: -it.drop)
    return Sensitivity("8 bits", judge.metric, judge.samples, tuple(effects[:MOST_LAYERS]))


def _layers(sites: Sequence[Place]) -> Mapping[str, list[Place]]:
    """What is rounded with each layer, by its name."""
    inputs = {site.tensor: site for site in sites if site.layer is None}
    found = {
        site.layer.name: [site, *([inputs[site.layer.input]] if site.layer.input in inputs else [])]
        for site in sites
        if site.layer is not None
    }
    if not found:
        raise Internal(
            "sensitivity: the graph has no convolutions or matrix products with weights",
            reason=Reason.UNSUPPORTED_MODEL,
        )
    return found


def _rounding(
    simulation: Simulation, rounded: Sequence[Place], dataset: str
) -> Callable[[Mapping[str, np.ndarray]], np.ndarray]:
    first = simulation.outputs[0]
    names = simulation.inputs

    def run(feed: Mapping[str, np.ndarray]) -> np.ndarray:
        taken = {spec.name: feed[spec.name].astype(spec.dtype, copy=False) for spec in names}
        return simulation.run(taken, rounded, dataset)[first]

    return run


def _round(weight: np.ndarray, layer: Layer) -> np.ndarray:
    onto = rounding.grid(8, signed=True, symmetric=True)
    shared = tuple(axis for axis in range(weight.ndim) if axis != layer.gives)
    return rounding.rounded(weight, onto, shared)
