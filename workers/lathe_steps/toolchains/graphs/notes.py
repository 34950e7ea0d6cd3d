"""Small files that a step leaves beside a graph for a later step."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import onnx

from lathe_steps.errors import Internal
from lathe_steps.toolchains import sensitivity_map
from lathe_steps.toolchains.graphs.histograms import Range
from lathe_steps.toolchains.ranges import RANGES


def carry(source: Path, out: Path) -> None:
    """Take the notes along to a graph whose nodes are named after the same layers."""
    for name in (RANGES, sensitivity_map.FILE):
        if (source / name).exists():
            shutil.copyfile(source / name, out / name)


def learned_ranges(folder: Path, model: onnx.ModelProto) -> dict[str, Range]:
    """Ranges of the activations that layers were trained with; empty where there are none.

    Args:
        folder: Of the artifact.
        model: Its graph, whose nodes are named `<layer>/<operator>`.

    Raises:
        Internal: When a layer is no longer in the graph: its range would be lost silently.
    """
    file = folder / RANGES
    if not file.exists():
        return {}
    said: Mapping[str, Mapping[str, float]] = json.loads(file.read_text())
    weights = {tensor.name for tensor in model.graph.initializer}
    found: dict[str, Range] = {}
    for layer, ends in said.items():
        nodes = [node for node in model.graph.node if _is_of(node, layer) and node.input]
        tensors = [node.input[0] for node in nodes if node.input[0] not in weights]
        if not tensors:
            raise Internal(
                f"quantize: the range of {layer} was learned, but no node of the graph is named "
                f"{layer}/…; quantise the exported model itself, without steps between"
            )
        found |= dict.fromkeys(tensors[:1], (ends["low"], ends["high"]))
    return found


def sensitive_layers(folder: Path) -> list[str]:
    """Layers by their effect, the largest first, as the sensitivity step found; or none.

    Raises:
        Internal: When the file is not what the step writes.
    """
    found = sensitivity_map.read(folder)
    if found is None:
        return []
    return [each.name for each in sorted(found.layers, key=lambda it: -it.drop) if each.drop > 0]


def _is_of(node: onnx.NodeProto, layer: str) -> bool:
    return bool(node.name == layer or node.name.startswith(f"{layer}/"))
