"""Channels between two layers get ranges of the same size, and nothing else changes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lathe_steps.base import Artifact, Format
from lathe_steps.errors import InvalidSpec
from lathe_steps.toolchains.graphs import equalising, evening
from tests.step_runs import Bench, run

pytestmark = pytest.mark.toolchain

X = {"x": np.random.default_rng(1).uniform(size=(4, 3, 8, 8)).astype(np.float32)}
FAULT = 1000.0


def chain(between: Sequence[str], second: str, *, groups: int = 1) -> onnx.ModelProto:
    """A convolution of 3 to 8 channels, some operators, and a second layer; with a fault.

    Channel 2 between the layers is 1000 times as large as it was, undone by the second.
    """
    random = np.random.default_rng(0)
    weights = {"first.w": random.normal(size=(8, 3, 3, 3)), "first.b": random.normal(size=8)}
    shapes = {
        "Conv": (4, 8 // groups, 3, 3),
        "depthwise": (8, 1, 3, 3),
        "ConvTranspose": (8, 4, 3, 3),
        "Gemm": (8 if "GlobalAveragePool" in between else 8 * 64, 5),
        "MatMul": (8 * 64, 5),
    }
    weights["second.w"] = random.normal(size=shapes[second])
    weights["first.w"][2] *= FAULT
    weights["first.b"][2] *= FAULT
    if second == "depthwise":
        weights["second.w"][2] /= FAULT
    elif second == "Conv":
        rows, column = 4 // groups, 2 % (8 // groups)
        group = 2 // (8 // groups)
        weights["second.w"][group * rows : (group + 1) * rows, column] /= FAULT
    else:
        each = len(weights["second.w"]) // 8
        weights["second.w"][2 * each : 3 * each] /= FAULT
    names = ["a", *(f"t{i}" for i in range(len(between)))]
    nodes = [helper.make_node("Conv", ["x", "first.w", "first.b"], ["a"], "first", pads=[1] * 4)]
    for kind, given, made in zip(between, names, names[1:], strict=False):
        window: dict[str, Any] = (
            {"kernel_shape": [3, 3], "pads": [1] * 4} if kind == "MaxPool" else {}
        )
        nodes.append(helper.make_node(kind, [given], [made], kind, **window))
    kind = "Conv" if second == "depthwise" else second
    many = {"depthwise": 8, "Conv": groups}.get(second, 1)
    options: dict[str, Any] = {"group": many} if "Conv" in kind else {}
    nodes.append(helper.make_node(kind, [names[-1], "second.w"], ["y"], "second", **options))
    rank = 4 if "Conv" in kind else 2
    graph = helper.make_graph(
        nodes,
        "pair",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * rank)],
        [numpy_helper.from_array(w.astype(np.float32), name) for name, w in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


PAIRS = {
    "convolutions with ReLU between": chain(["Relu"], "Conv"),
    "convolutions with nothing between": chain([], "Conv"),
    "convolutions with pooling between": chain(["Relu", "MaxPool"], "Conv"),
    "a convolution in groups": chain(["LeakyRelu"], "Conv", groups=2),
    "a depthwise convolution": chain(["Relu"], "depthwise"),
    "a transposed convolution": chain(["Relu"], "ConvTranspose"),
    "a matrix product behind a mean": chain(["Relu", "GlobalAveragePool", "Flatten"], "Gemm"),
    "a matrix product of whole images": chain(["Relu", "Flatten"], "MatMul"),
}


def saved(model: onnx.ModelProto, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    onnx.save_model(model, str(folder / "model.onnx"))
    return folder / "model.onnx"


def outputs(file: Path) -> np.ndarray:
    return run(Artifact(Format.ONNX, file.parent, (file.name,)), X)["y"]


@pytest.mark.parametrize("model", PAIRS.values(), ids=PAIRS)
def test_a_planted_fault_is_found_and_undone(model: onnx.ModelProto, tmp_path: Path) -> None:
    graph = saved(model, tmp_path / "planted")

    done = evening.even(graph, "Auto", 1, learned=False)

    assert done.facts["equalised"] == "first with second"
    assert float(done.facts["largest_unevenness"]) > FAULT / 10
    evened = onnx.load(done.graph).graph
    (pair,) = equalising.pairs(evened)
    assert equalising.unevenness(evened, pair) < equalising.UNEVEN
    np.testing.assert_allclose(outputs(done.graph), outputs(graph), rtol=1e-3, atol=1e-3)


APART = {
    "Sigmoid, which scales do not pass": chain(["Sigmoid"], "Conv"),
    "HardSwish, which scales do not pass": chain(["HardSwish"], "Conv"),
}


@pytest.mark.parametrize("model", APART.values(), ids=APART)
def test_layers_are_no_pair_behind(model: onnx.ModelProto) -> None:
    assert not equalising.pairs(model.graph)


def test_channels_that_something_else_uses_are_left_alone() -> None:
    model = chain(["Relu"], "Conv")
    model.graph.output.append(helper.make_tensor_value_info("t0", TensorProto.FLOAT, [None] * 4))

    assert not equalising.pairs(model.graph)


def test_a_weight_of_two_layers_is_left_alone() -> None:
    model = chain(["Relu"], "Conv")
    again = helper.make_node("Conv", ["y2", "second.w"], ["z"], "third")
    model.graph.node.append(again)

    assert not equalising.pairs(model.graph)


def test_channels_that_nothing_makes_change_nothing(tmp_path: Path) -> None:
    model = chain(["Relu"], "Conv")
    first = next(t for t in model.graph.initializer if t.name == "first.w")
    values = numpy_helper.to_array(first).copy()
    values[5] = 0
    first.CopyFrom(numpy_helper.from_array(values, "first.w"))
    graph = saved(model, tmp_path / "dead")

    done = evening.even(graph, "Auto", 1, learned=False)

    np.testing.assert_allclose(outputs(done.graph), outputs(graph), rtol=1e-3, atol=1e-3)


def test_even_channels_are_left_alone_unless_always(bench: Bench) -> None:
    graph = bench.graph().main

    assert evening.even(graph, "Auto", 1, learned=False).graph == graph
    assert evening.even(graph, "Never", 1, learned=False).graph == graph
    assert evening.even(graph, "Always", 1, learned=False).facts["equalised_pairs"] == 2


def test_learned_ranges_forbid_it(bench: Bench) -> None:
    with pytest.raises(InvalidSpec):
        evening.even(bench.graph().main, "Always", 1, learned=True)


def test_always_needs_a_pair(tmp_path: Path) -> None:
    with pytest.raises(InvalidSpec):
        evening.even(saved(chain(["Sigmoid"], "Conv"), tmp_path / "x"), "Always", 1, learned=False)
