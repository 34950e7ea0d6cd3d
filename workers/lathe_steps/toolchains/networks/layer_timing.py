"""How long one layer takes in ONNX Runtime, as it is and written in parts."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from lathe_steps.base import Artifact
from lathe_steps.toolchains.graphs import files
from lathe_steps.toolchains.timing import interleaved_latencies

_SECONDS = 0.2
"""How long one comparison measures, after its warm-up."""
_LEAST = 24
_OPSET = 18
_MATRIX = 2


def latencies(
    modules: Mapping[str, nn.Module], sample: torch.Tensor, *, threads: int
) -> dict[str, float]:
    """Median milliseconds of one call of each module, measured in turns.

    Args:
        modules: Linear layers, convolutions and embeddings, or sequences of them.
        sample: What each of them takes.
        threads: CPU threads.
    """
    with TemporaryDirectory() as folder:
        artifacts = {
            name: _artifact(module, sample, Path(folder) / str(i))
            for i, (name, module) in enumerate(modules.items())
        }
        taken = interleaved_latencies(
            artifacts, {"x": sample.numpy()}, threads=threads, seconds=_SECONDS, least=_LEAST
        )
    return {name: median(times) for name, times in taken.items()}


def _artifact(module: nn.Module, sample: torch.Tensor, folder: Path) -> Artifact:
    folder.mkdir()
    parts = list(module.children()) or [module]
    nodes, weights, value = [], [], "x"
    for i, part in enumerate(parts):
        tensors = dict(_tensors(part, i))
        weights += [numpy_helper.from_array(array, name) for name, array in tensors.items()]
        made = list(_nodes(part, [value, *tensors], f"y{i}", sample.dim()))
        nodes += made
        value = f"y{i}"
    with torch.no_grad():
        shape = list(module(sample).shape)
    kind = helper.np_dtype_to_tensor_dtype(sample.numpy().dtype)
    graph = helper.make_graph(
        nodes,
        "layer",
        [helper.make_tensor_value_info("x", kind, list(sample.shape))],
        [helper.make_tensor_value_info(value, TensorProto.FLOAT, shape)],
        weights,
    )
    made_model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=10
    )
    onnx.save_model(made_model, str(folder / files.MODEL))
    return files.artifact(folder, {})


def _tensors(layer: nn.Module, i: int) -> Iterator[tuple[str, np.ndarray]]:
    for name, parameter in layer.named_parameters(recurse=False):
        array = parameter.detach().float().numpy()
        yield f"{name}{i}", np.ascontiguousarray(array.T) if type(layer) is nn.Linear else array


def _nodes(
    layer: nn.Module, inputs: list[str], output: str, dimensions: int
) -> Iterator[onnx.NodeProto]:
    """What torch's exporter makes of a layer."""
    if isinstance(layer, nn.Embedding):
        yield helper.make_node("Gather", [inputs[1], inputs[0]], [output])
    elif isinstance(layer, nn.Conv2d):
        yield helper.make_node("Conv", inputs, [output], **_convolution(layer))
    elif dimensions == _MATRIX and len(inputs) > _MATRIX:
        yield helper.make_node("Gemm", inputs, [output])
    elif len(inputs) > _MATRIX:
        yield helper.make_node("MatMul", inputs[:2], [f"{output}.product"])
        yield helper.make_node("Add", [f"{output}.product", inputs[2]], [output])
    else:
        yield helper.make_node("MatMul", inputs, [output])


def _convolution(layer: nn.Conv2d) -> dict[str, Any]:
    sides = layer._reversed_padding_repeated_twice  # noqa: SLF001 - what padding "same" means too
    begins, ends = sides[0::2][::-1], sides[1::2][::-1]
    return {
        "kernel_shape": list(layer.kernel_size),
        "strides": list(layer.stride),
        "dilations": list(layer.dilation),
        "group": layer.groups,
        "pads": [*begins, *ends],
    }
