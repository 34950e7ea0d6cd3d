"""Narrowing a graph from 32 to 16 bits, with casts where it has to stay wide."""

from collections.abc import Collection, Iterator
from typing import Any

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from lathe_steps.toolchains.graphs.capabilities import Schemas

WIDE = TensorProto.FLOAT
_NUMPY: dict[int, Any] = {
    TensorProto.FLOAT16: np.float16,
    TensorProto.BFLOAT16: ml_dtypes.bfloat16,
}


_LARGEST: dict[int, float] = {TensorProto.FLOAT16: 65504.0, TensorProto.BFLOAT16: 3.3895314e38}


class Narrowing:
    """One conversion of one graph, in place.

    A node computes in 16 bits when its operator's schema allows that for all of its floating
    inputs that may vary in type (the scales of a Resize may not), and nothing keeps it wide.
    Every tensor keeps its name in the type in which it is produced; a copy in the other type is
    cast once, when it is wanted. What graphs within the graph use (of an If or a Loop) stays wide,
    and so do they.
    """

    def __init__(
        self, model: onnx.ModelProto, narrow: int, *, keep_io: bool, exclude: Collection[str]
    ) -> None:
        self._graph = model.graph
        self._narrow = narrow
        self._keep_io = keep_io
        self._schemas = Schemas(model)
        self._weights = {tensor.name: tensor for tensor in model.graph.initializer}
        self._wide = _wide_tensors(model)
        self._captured = set(_captured(model.graph))
        self._exclude = set(exclude)
        self._types: dict[str, int] = {}
        self._nodes: list[onnx.NodeProto] = []

    def run(self) -> int:
        """Convert, and return how many nodes compute in 16 bits."""
        self._take_inputs()
        count = 0
        for node in self._graph.node:
            narrow = self._may_narrow(node)
            count += narrow
            self._convert(node, narrow=narrow)
        self._give_outputs()
        self._store_weights()
        del self._graph.node[:]
        self._graph.node.extend(self._nodes)
        self._graph.ClearField("value_info")
        return count

    def _take_inputs(self) -> None:
        for info in self._graph.input:
            if info.name in self._wide and info.name not in self._weights:
                self._types[info.name] = WIDE
                if not self._keep_io and info.name not in self._captured:
                    info.type.tensor_type.elem_type = self._narrow
                    self._types[info.name] = self._narrow

    def _may_narrow(self, node: onnx.NodeProto) -> bool:
        kept = node.name in self._exclude or any(_subgraphs(node))
        if kept or self._captured & set(node.output):
            return False
        taken = [i for i, name in enumerate(node.input) if name in self._wide]
        given = [i for i, name in enumerate(node.output) if name in self._wide]
        if node.op_type == "Cast":
            return bool(given)
        free = [i for i in taken if self._schemas.takes(node, i, TensorProto.FLOAT16)]
        return (
            bool(free)
            and all(self._schemas.takes(node, i, self._narrow) for i in free)
            and all(self._schemas.gives(node, i, self._narrow) for i in given)
        )

    def _convert(self, node: onnx.NodeProto, *, narrow: bool) -> None:
        for i, name in enumerate(node.input):
            if name in self._wide and node.op_type != "Cast":  # a Cast takes whatever there is
                fits = narrow and self._schemas.takes(node, i, self._narrow)
                node.input[i] = self._as(name, self._narrow if fits else WIDE)
        if narrow and node.op_type == "Cast":
            node.attribute[0].i = self._narrow
        self._nodes.append(node)
        for name in self._wide.intersection(node.output):
            self._types[name] = self._narrow if narrow else WIDE

    def _as(self, name: str, element: int) -> str:
        """The name of a tensor in a type, cast to it if need be."""
        if name in self._weights:
            return self._weight_as(name, element)
        if self._types[name] == element:
            return name
        copy = f"{name}_{'wide' if element == WIDE else 'narrow'}"
        if copy not in self._types:
            self._types[copy] = element
            self._nodes.append(_cast(name, copy, element))
        return copy

    def _weight_as(self, name: str, element: int) -> str:
        """Both types of a weight may be wanted; which are is known at the end."""
        wanted = f"{name}_narrow" if element != WIDE else name
        self._types[wanted] = element
        return wanted

    def _store_weights(self) -> None:
        alone: dict[str, str] = {}
        for name, tensor in self._weights.items():
            copy = f"{name}_narrow"
            if copy not in self._types:
                continue
            if self._types.get(name) == WIDE or name in self._captured:
                self._graph.initializer.append(_narrowed(tensor, self._narrow, copy))
            else:
                tensor.CopyFrom(_narrowed(tensor, self._narrow, name))
                alone[copy] = name
        for node in self._nodes:
            for i, name in enumerate(node.input):
                node.input[i] = alone.get(name, name)

    def _give_outputs(self) -> None:
        """Outputs keep their names, whatever type they were produced in."""
        for info in self._graph.output:
            name = info.name
            if name not in self._wide:
                continue
            wanted = WIDE if self._keep_io else self._narrow
            if self._types[name] != wanted:
                inner = f"{name}_inner"
                for node in self._nodes:
                    _rename(node, name, inner)
                self._nodes.append(_cast(inner, name, wanted))
            info.type.tensor_type.elem_type = wanted


def _wide_tensors(model: onnx.ModelProto) -> set[str]:
    """Names of all tensors of the main graph that hold 32-bit floats."""
    graph = model.graph
    infos = (*graph.value_info, *graph.input, *graph.output)
    wide = {info.name for info in infos if info.type.tensor_type.elem_type == WIDE}
    return wide | {tensor.name for tensor in graph.initializer if tensor.data_type == WIDE}


def _subgraphs(node: onnx.NodeProto) -> Iterator[onnx.GraphProto]:
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def _captured(graph: onnx.GraphProto) -> Iterator[str]:
    """Names that graphs within a graph use, their own among them."""
    for node in graph.node:
        for inner in _subgraphs(node):
            yield from _names_used(inner)


def _names_used(graph: onnx.GraphProto) -> Iterator[str]:
    for node in graph.node:
        yield from node.input
        for inner in _subgraphs(node):
            yield from _names_used(inner)
    for info in graph.output:
        yield info.name


def _cast(name: str, copy: str, element: int) -> onnx.NodeProto:
    return helper.make_node("Cast", [name], [copy], name=f"{copy}/Cast", to=element)


def _rename(node: onnx.NodeProto, name: str, new: str) -> None:
    for field in (node.input, node.output):
        for i, held in enumerate(field):
            if held == name:
                field[i] = new


def _narrowed(tensor: onnx.TensorProto, element: int, name: str) -> onnx.TensorProto:
    """The same values, rounded; what is too large becomes the largest that there is."""
    values = numpy_helper.to_array(tensor)
    largest = _LARGEST[element]
    finite = np.where(np.isfinite(values), np.clip(values, -largest, largest), values)
    return numpy_helper.from_array(finite.astype(_NUMPY[element]), name)
