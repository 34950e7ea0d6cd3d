"""Watching the activations of a graph while samples run through it.

Memory does not grow with the number of samples: what is kept of a batch is a minimum and a
maximum, or a histogram of constant size, for each activation.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper

from lathe_steps.base import Dataset, TensorSpec
from lathe_steps.errors import BadInput, Internal
from lathe_steps.reasons import Reason
from lathe_steps.toolchains.arrays import checked_inputs
from lathe_steps.toolchains.graphs import files
from lathe_steps.toolchains.onnx_runtime import errors, first_line

Feed = Mapping[str, np.ndarray]


def floating_tensors(model: onnx.ModelProto) -> list[str]:
    """Names of the activations in 32-bit floating point that nodes of the main graph use or make.

    Args:
        model: With inferred shapes.
    """
    graph = model.graph
    infos = (*graph.value_info, *graph.input, *graph.output)
    floats = {i.name for i in infos if i.type.tensor_type.elem_type == TensorProto.FLOAT}
    floats -= {tensor.name for tensor in graph.initializer}
    used = (name for node in graph.node for name in (*node.input, *node.output))
    return [name for name in dict.fromkeys(used) if name in floats]


def showing(model: onnx.ModelProto, tensors: list[str], out: Path) -> Path:
    """Write a graph that gives whole activations besides its outputs."""
    graph = model.graph
    given = {info.name for info in graph.output}
    infos = {i.name: i for i in (*graph.value_info, *graph.input)}
    graph.output.extend(infos[name] for name in tensors if name not in given)
    return written(model, out)


def reducing(model: onnx.ModelProto, tensors: list[str], out: Path) -> Path:
    """Write a graph that gives `<tensor>/least` and `<tensor>/most` instead of its outputs."""
    graph = model.graph
    del graph.output[:]
    for name in tensors:
        for kind, end in (("ReduceMin", "least"), ("ReduceMax", "most")):
            result = f"{name}/{end}"
            graph.node.append(helper.make_node(kind, [name], [result], result, keepdims=0))
            graph.output.append(helper.make_tensor_value_info(result, TensorProto.FLOAT, []))
    return written(model, out)


def written(model: onnx.ModelProto, out: Path) -> Path:
    """Write a model to a fresh directory, and return its file."""
    out.mkdir()
    files.write(model, out)
    return out / files.MODEL


def session(file: Path, threads: int) -> ort.InferenceSession:
    """Load a graph that is run as it is written.

    Raises:
        Internal: UnsupportedModel, when ONNX Runtime cannot load it.
    """
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    options.enable_mem_pattern = False
    try:
        return ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except errors() as error:
        raise Internal(
            f"quantize: ONNX Runtime cannot watch the activations: {first_line(error)}",
            reason=Reason.UNSUPPORTED_MODEL,
        ) from error


def run(
    watched: ort.InferenceSession, feed: Feed, dataset: str, names: list[str] | None = None
) -> list[np.ndarray]:
    """Run samples of a data set.

    Raises:
        BadInput: ShapeMismatch, when the graph does not run on them.
    """
    try:
        found: list[np.ndarray] = watched.run(names, dict(feed))
    except errors() as error:
        raise BadInput(
            f"{dataset}: the model does not run on its samples: {first_line(error)}",
            reason=Reason.SHAPE_MISMATCH,
        ) from error
    return found


def feeds(
    inputs: tuple[TensorSpec, ...], dataset: Dataset, samples: int, size: int
) -> Iterator[tuple[int, Feed]]:
    """Batches that the model takes, with the number of samples in each.

    Args:
        inputs: What the model takes; where its batch is of a fixed size, so are these, and the
            last one is filled up with its last sample.
        dataset: Where the samples come from.
        samples: At most so many, evenly spread.
        size: Samples per batch otherwise.

    Raises:
        BadInput: When the samples do not fit the inputs.
    """
    axes = {spec.shape[0] for spec in inputs if spec.shape}
    fixed = next((axis for axis in axes if isinstance(axis, int)), None)
    for batch in dataset.batches(fixed or size, limit=samples):
        feed = checked_inputs(batch, inputs, dataset.name)
        count = len(next(iter(feed.values())))
        yield count, _filled(feed, fixed - count) if fixed and count < fixed else feed


def _filled(feed: Feed, missing: int) -> Feed:
    """Repeat the last sample, which changes no minimum or maximum."""
    return {
        name: np.concatenate([array, np.repeat(array[-1:], missing, axis=0)])
        for name, array in feed.items()
    }
