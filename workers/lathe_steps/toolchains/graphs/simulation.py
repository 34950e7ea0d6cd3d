"""A graph in floating point, any of whose places can be rounded to 8 bits while it runs.

One session shows what each place does alone, without quantising the graph once for each.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from lathe_steps.toolchains.graphs import files, watching
from lathe_steps.toolchains.graphs.calibration import Ranges
from lathe_steps.toolchains.graphs.layers import Layer
from lathe_steps.toolchains.graphs.places import Place
from lathe_steps.toolchains.graphs.rounding import Grid, steps

_SWITCHES = "lathe/switches"

RoundWeight = Callable[[np.ndarray, Layer], np.ndarray]


class Simulation:
    """One session of a graph with a switch for each place.

    Attributes:
        places: Where it can round.
        inputs: What the graph takes.
        outputs: Names of what it gives.
    """

    def __init__(
        self,
        graph: Path,
        places: Sequence[Place],
        ranges: Ranges,
        onto: Grid,
        round_weight: RoundWeight,
        *,
        threads: int,
    ) -> None:
        """Write the graph beside the given one, and load it.

        Args:
            graph: A prepared graph.
            places: Where to round.
            ranges: Lowest and highest values of the activations among the places.
            onto: The grid of activations.
            round_weight: What a layer's weight becomes.
            threads: CPU threads.

        Raises:
            Internal: UnsupportedModel, when ONNX Runtime cannot load it.
        """
        self.places = tuple(places)
        model = files.read(graph)
        self.inputs = files.inputs(model)
        self.outputs = [info.name for info in model.graph.output]
        _Switched(model.graph, ranges, onto, round_weight).put_in(self.places)
        file = watching.written(model, graph.parent / "simulated")
        self._session = watching.session(file, threads)

    def run(
        self, feed: watching.Feed, rounded: Collection[Place], dataset: str
    ) -> Mapping[str, np.ndarray]:
        """The outputs when these places are rounded and the others are not.

        Raises:
            BadInput: ShapeMismatch, when the graph does not run on the samples.
        """
        wanted = set(rounded)
        switches = np.array([[place in wanted] for place in self.places], np.float32)
        values = watching.run(self._session, {**feed, _SWITCHES: switches}, dataset, self.outputs)
        return dict(zip(self.outputs, values, strict=True))


class _Switched:
    """Rewrites a graph in place."""

    def __init__(
        self, graph: onnx.GraphProto, ranges: Ranges, onto: Grid, round_weight: RoundWeight
    ) -> None:
        self._graph = graph
        self._ranges = ranges
        self._onto = onto
        self._round_weight = round_weight
        self._weights = {tensor.name: tensor for tensor in graph.initializer}
        self._outputs = {info.name for info in graph.output}
        self._before: list[onnx.NodeProto] = []
        self._after: dict[str, list[onnx.NodeProto]] = {}

    def put_in(self, places: Sequence[Place]) -> None:
        """Give every place a switch."""
        info = helper.make_tensor_value_info(_SWITCHES, TensorProto.FLOAT, [len(places), 1])
        self._graph.input.append(info)
        for i, place in enumerate(places):
            index = self._constant(f"lathe/place/{i}", np.array(i, np.int64))
            switch = f"lathe/switch/{i}"
            self._before.append(helper.make_node("Gather", [_SWITCHES, index], [switch], switch))
            if place.layer is not None:
                self._weight(place.tensor, place.layer, i)
            else:
                self._activation(place.tensor, switch)
        made = {name for node in self._graph.node for name in node.output}
        for name in [name for name in self._after if name not in made]:
            self._before += self._after[name]
        nodes = [*self._before]
        for node in self._graph.node:
            nodes.append(node)
            for name in node.output:
                nodes += self._after.get(name, [])
        del self._graph.node[:]
        self._graph.node.extend(nodes)

    def _weight(self, name: str, layer: Layer, i: int) -> None:
        values = numpy_helper.to_array(self._weights[name])
        change = self._round_weight(values, layer) - values
        error = self._constant(f"lathe/error/{i}", change.astype(np.float32))
        scaled, changed = f"lathe/scaled/{i}", f"lathe/switched/{i}"
        self._before += [
            helper.make_node("Mul", [error, f"lathe/switch/{i}"], [scaled], scaled),
            helper.make_node("Add", [name, scaled], [changed], changed),
        ]
        for node in self._graph.node:
            if node.name == layer.name:
                _replace(node, name, changed)

    def _activation(self, name: str, switch: str) -> None:
        low, high = self._ranges[name]
        scale, zero = steps(np.array(low), np.array(high), self._onto)
        signed = self._onto.least < 0
        element = np.int8 if signed else np.uint8
        points = self._constant(f"{name}/zero", np.array(zero).astype(element))
        size = self._constant(f"{name}/step", np.array(scale, np.float32))
        parts = [f"{name}/{part}" for part in ("whole", "rounded", "change", "scaled", "switched")]
        whole, rounded, change, scaled, switched = parts
        users = [node for node in self._graph.node if name in node.input]
        for node in users:
            _replace(node, name, switched)
        kept = name
        if name in self._outputs:  # outputs keep their names
            kept = f"{name}/wide"
            switched = name
            for node in self._graph.node:
                _rename_output(node, name, kept)
            for node in users:
                _replace(node, parts[-1], name)
        self._after[kept] = [
            helper.make_node("QuantizeLinear", [kept, size, points], [whole], whole),
            helper.make_node("DequantizeLinear", [whole, size, points], [rounded], rounded),
            helper.make_node("Sub", [rounded, kept], [change], change),
            helper.make_node("Mul", [change, switch], [scaled], scaled),
            helper.make_node("Add", [kept, scaled], [switched], f"{kept}/switched"),
        ]

    def _constant(self, name: str, values: np.ndarray) -> str:
        self._graph.initializer.append(numpy_helper.from_array(np.asarray(values), name))
        return name


def _replace(node: onnx.NodeProto, name: str, new: str) -> None:
    for i, held in enumerate(node.input):
        if held == name:
            node.input[i] = new


def _rename_output(node: onnx.NodeProto, name: str, new: str) -> None:
    for i, held in enumerate(node.output):
        if held == name:
            node.output[i] = new
