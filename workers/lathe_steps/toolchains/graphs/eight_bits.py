"""The whole way of a graph to few bits: prepare, equalise, calibrate, quantise, judge, check."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx

from lathe_steps.base import Artifact, Dataset
from lathe_steps.errors import InvalidSpec
from lathe_steps.evidence import Evidence
from lathe_steps.toolchains.graphs import (
    calibration,
    evening,
    few_bits,
    files,
    left_over,
    notes,
    places,
    preparing,
    quantising,
    ranking,
    rounding,
    tables,
)
from lathe_steps.toolchains.graphs.answering import answer_of
from lathe_steps.toolchains.graphs.evening import When
from lathe_steps.toolchains.graphs.few_bits import Blocks
from lathe_steps.toolchains.graphs.layers import Layer
from lathe_steps.toolchains.graphs.lowering import Form
from lathe_steps.toolchains.graphs.searching import Goal, Group, Search
from lathe_steps.toolchains.graphs.simulation import Simulation
from lathe_steps.toolchains.onnx_runtime import Session

_OPSET = 13
"""The first operator set with a scale per channel in quantise/dequantise pairs."""

Progress = Callable[[float, str], None]
Facts = dict[str, float | int | str]


@dataclass(frozen=True, slots=True)
class Work:
    """What to do to a graph.

    Attributes:
        form: Types and spelling: of 8-bit arithmetic, or of weights in blocks.
        sampling: What to calibrate on; None where nothing is calibrated.
        per_channel: Whether weights have a scale per output channel.
        exclude: Patterns of nodes that stay in floating point.
        equalise: When channels of neighbouring layers are equalised.
        goal: What the result must still be able to do.
    """

    form: Form | Blocks
    sampling: calibration.Sampling | None
    per_channel: bool
    exclude: tuple[str, ...]
    equalise: When
    goal: Goal | None


def quantise(
    artifact: Artifact, out: Path, work: Work, *, threads: int, progress: Progress
) -> Artifact:
    """Write the quantised model to `out`; the fields of `work` are those of the step.

    Raises:
        InvalidSpec: When an entry of exclude matches nothing, or the model is quantised already.
        BadInput: When the samples do not fit the model.
        Internal: UnsupportedModel, when the graph cannot be quantised or loaded afterwards.
    """
    with TemporaryDirectory(dir=out) as folder:
        made, facts, evidence = _Quantisation(artifact, Path(folder), work, threads, progress).run()
        for name in made.entry:
            shutil.move(made.path / name, out / name)
    result = files.artifact(out, facts, evidence)
    Session(result, threads)
    return result


class _Quantisation:
    """One graph on its way."""

    def __init__(
        self, artifact: Artifact, folder: Path, work: Work, threads: int, progress: Progress
    ) -> None:
        self._artifact = artifact
        self._folder = folder
        self._work = work
        self._threads = threads
        self._progress = progress
        self._facts: Facts = {}
        self._evidence: list[Evidence] = []
        blocks = isinstance(work.form, Blocks) and work.form.spelling == "QDQ"
        opset = few_bits.BLOCKED_PAIRS if blocks else _OPSET
        self._graph = preparing.prepare(artifact, folder, opset=opset)
        preparing.respell(self._graph)
        self._bare = files.read(self._graph, weights=False)
        preparing.refuse_quantised(self._bare, "quantize")
        self._asked = preparing.matching(self._bare, work.exclude, "quantize.exclude")
        self._ranges: calibration.Ranges = {}
        self._tries = 0

    def run(self) -> tuple[Artifact, Facts, tuple[Evidence, ...]]:
        learned = notes.learned_ranges(self._artifact.path, self._bare)
        if learned and self._work.sampling is None:
            raise InvalidSpec(
                "quantize.mode: the ranges of the activations were learned in training, and only "
                "mode Static uses them"
            )
        self._equalise(learned=bool(learned))
        self._calibrate(learned)
        made, for_accuracy = (self._make(()), ()) if not self._work.goal else self._search()
        model = files.read(made.main, weights=False)
        static = self._work.sampling is not None
        told = left_over.told(model, self._work.form, self._asked, for_accuracy, static=static)
        return made, {**self._facts, **told}, tuple(self._evidence)

    def _equalise(self, *, learned: bool) -> None:
        done = evening.even(self._graph, self._work.equalise, self._threads, learned=learned)
        self._graph = done.graph
        self._facts |= done.facts

    def _calibrate(self, learned: calibration.Ranges) -> None:
        self._facts["samples"] = 0
        if self._work.sampling is None:
            return
        self._ranges, seen = calibration.ranges(
            self._graph,
            self._work.sampling,
            known=learned,
            threads=self._threads,
            progress=self._progress,
        )
        self._facts["samples"] = seen
        if learned:
            self._facts["learned_ranges"] = len(learned)

    def _make(self, kept: tuple[str, ...]) -> Artifact:
        """Quantise all but what was asked for and these, into a folder of its own."""
        self._tries += 1
        out = self._folder / f"try-{self._tries}"
        out.mkdir()
        files.write(self._quantised((*self._asked, *kept)), out)
        return files.artifact(out)

    def _quantised(self, exclude: Sequence[str]) -> onnx.ModelProto:
        form, per_channel = self._work.form, self._work.per_channel
        if isinstance(form, Blocks):
            model = files.read(self._graph)
            few_bits.quantise(model, form, exclude)
            if form.spelling == "MatMulNBits":
                found = tables.shrink_lookups(model, exclude) + tables.shrink(model, exclude)
                self._facts["tables_8bit"] = found
            files.strip(model)
            return model
        if self._work.sampling is None:
            return quantising.quantise_dynamic(
                self._graph, form, per_channel=per_channel, exclude=exclude
            )
        return quantising.quantise_static(
            self._graph, self._ranges, form, per_channel=per_channel, exclude=exclude
        )

    def _search(self) -> tuple[Artifact, tuple[str, ...]]:
        goal = self._work.goal
        assert goal is not None  # noqa: S101 - only called with one
        reference = answer_of(Session(self._artifact, self._threads))
        search = Search(goal, reference, self._make, self._rank, self._threads, self._progress)
        found = search.run()
        self._facts |= found.facts
        self._evidence.append(found.evidence)
        return found.best.artifact, found.best.kept

    def _rank(self) -> list[Group]:
        """Groups by what another step found out, then by the noise that they make."""
        given = notes.sensitive_layers(self._artifact.path)
        sites = places.places(self._bare.graph, self._ranges.keys(), self._asked)
        groups = [each for layer in given if (each := _around(layer, sites))]
        simulation = Simulation(
            self._graph,
            sites,
            self._ranges,
            self._activation_grid(),
            self._round_weight,
            threads=self._threads,
        )
        ranked = ranking.by_noise(
            simulation, files.inputs(self._bare), self._samples(), self._progress
        )
        self._evidence.append(ranking.as_evidence(ranked, self._change()))
        return groups + [Group(p.label, p.nodes) for p, noise in ranked if noise > 0]

    def _samples(self) -> Dataset:
        if self._work.sampling is not None:
            return self._work.sampling.dataset
        assert self._work.goal is not None  # noqa: S101 - nothing is ranked without a goal
        return self._work.goal.dataset

    def _activation_grid(self) -> rounding.Grid:
        form = self._work.form
        if isinstance(form, Blocks):
            return rounding.grid(8, signed=False, symmetric=False)
        return rounding.grid(8, signed=form.activations == "Int8", symmetric=form.symmetric)

    def _change(self) -> str:
        form = self._work.form
        return f"{form.bits if isinstance(form, Blocks) else 8} bits"

    def _round_weight(self, weight: np.ndarray, layer: Layer) -> np.ndarray:
        form = self._work.form
        if isinstance(form, Blocks):
            fits = layer.node.op_type in {"Gemm", "MatMul"}
            return few_bits.rounded(weight, layer, form) if fits else weight
        bits = 7 if form.reduce_range else 8
        onto = rounding.grid(bits, signed=form.weights == "Int8", symmetric=form.symmetric_weights)
        shared = tuple(axis for axis in range(weight.ndim) if axis != layer.gives)
        return rounding.rounded(weight, onto, shared if self._work.per_channel else None)


def _around(layer: str, sites: Sequence[places.Place]) -> Group | None:
    """A layer with what makes its input: leaving either alone in 8 bits rounds it as before."""
    own = [site for site in sites if site.layer and _belongs(site.layer.name, layer)]
    inputs = {site.layer.input for site in own if site.layer}
    near = [site for site in sites if site.layer is None and site.tensor in inputs]
    nodes = tuple(dict.fromkeys(name for site in (*own, *near) for name in site.nodes))
    return Group(layer, nodes) if nodes else None


def _belongs(node: str, layer: str) -> bool:
    return node == layer or node.startswith(f"{layer}/")
