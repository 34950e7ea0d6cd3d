"""Graphs written as ONNX Runtime has kernels for compute the same as before."""

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lathe_steps.base import Artifact
from lathe_steps.quantize import Quantize
from lathe_steps.toolchains.graphs import files, gelus, pools, tables
from tests.step_runs import Bench, run

pytestmark = pytest.mark.toolchain

RANDOM = np.random.default_rng(0)
TOKENS = {"x": RANDOM.integers(0, 100, (3, 6))}
IMAGES = {"x": RANDOM.normal(size=(2, 3, 8, 8)).astype(np.float32)}


def model_of(
    *nodes: onnx.NodeProto,
    shape: list[int | str],
    element: int = TensorProto.FLOAT,
    **weights: np.ndarray,
) -> onnx.ModelProto:
    graph = helper.make_graph(
        list(nodes),
        "graph",
        [helper.make_tensor_value_info("x", element, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def outputs(bench: Bench, model: onnx.ModelProto, inputs: dict[str, np.ndarray]) -> np.ndarray:
    folder = bench.folder()
    onnx.save_model(model, str(folder / files.MODEL))
    return run(files.artifact(folder), inputs)["y"]


def kinds(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


def mean(axes: list[int], *, keep: int) -> onnx.ModelProto:
    node = helper.make_node("ReduceMean", ["x", "axes"], ["y"], "mean", keepdims=keep)
    return model_of(node, shape=["n", 3, 8, 8], axes=np.array(axes))


MEANS: dict[str, tuple[list[str], onnx.ModelProto]] = {
    "kept": (["GlobalAveragePool"], mean([2, 3], keep=1)),
    "counted from the end": (["GlobalAveragePool"], mean([-1, -2], keep=1)),
    "dropped": (["GlobalAveragePool", "Flatten"], mean([2, 3], keep=0)),
    "others": (["ReduceMean"], mean([1, 2], keep=1)),
}


@pytest.mark.parametrize(("expected", "model"), MEANS.values(), ids=MEANS)
def test_a_mean_over_images_is_pooling_with_axes(
    bench: Bench, expected: list[str], model: onnx.ModelProto
) -> None:
    before = outputs(bench, model, IMAGES)

    assert pools.pool(model) is (expected != ["ReduceMean"])

    assert kinds(model) == expected
    np.testing.assert_allclose(outputs(bench, model, IMAGES), before, rtol=1e-5, atol=1e-6)


def gelu(half: float = 0.5) -> onnx.ModelProto:
    return model_of(
        helper.make_node("Div", ["x", "root"], ["a"], "a"),
        helper.make_node("Erf", ["a"], ["b"], "b"),
        helper.make_node("Add", ["b", "one"], ["c"], "c"),
        helper.make_node("Mul", ["half", "c"], ["d"], "d"),
        helper.make_node("Mul", ["x", "d"], ["y"], "e"),
        shape=["n", 3, 8, 8],
        root=np.array(2**0.5, np.float32),
        one=np.array(1, np.float32),
        half=np.array(half, np.float32),
    )


def test_a_gelu_is_reordered_and_is_the_same(bench: Bench) -> None:
    model = gelu()
    before = outputs(bench, model, IMAGES)

    assert gelus.reorder(model.graph) == 1

    assert list(model.graph.node[-1].input) == ["d", "half"]
    np.testing.assert_allclose(outputs(bench, model, IMAGES), before, rtol=1e-5, atol=1e-6)


def test_another_product_is_left_alone() -> None:
    assert gelus.reorder(gelu(0.25).graph) == 0


def embedding(**changes: Any) -> onnx.ModelProto:
    return model_of(
        helper.make_node("Gather", ["table", "x"], ["a"], "look", **changes),
        helper.make_node("Add", ["a", "positions"], ["b"], "add"),
        helper.make_node("MatMul", ["b", "weight"], ["y"], "last"),
        shape=["n", 6],
        element=TensorProto.INT64,
        table=RANDOM.normal(size=(100, 768)).astype(np.float32),
        positions=RANDOM.normal(size=(6, 768)).astype(np.float32),
        weight=RANDOM.normal(size=(768, 32)).astype(np.float32),
    )


def test_embeddings_are_looked_up_in_8_bits(bench: Bench) -> None:
    model = embedding()
    before = outputs(bench, model, TOKENS)

    assert tables.shrink_lookups(model, ()) == 1

    stored = {t.name: t.data_type for t in model.graph.initializer}
    assert stored["table/whole"] == TensorProto.INT8
    assert np.corrcoef(outputs(bench, model, TOKENS).ravel(), before.ravel())[0, 1] > 0.9999


def test_tables_that_are_added_are_stored_in_8_bits(bench: Bench) -> None:
    model = embedding()
    before = outputs(bench, model, TOKENS)

    assert tables.shrink(model, ()) == 1

    stored = {t.name: t.data_type for t in model.graph.initializer}
    assert stored["positions/whole"] == TensorProto.INT8
    assert stored["table"] == TensorProto.FLOAT
    assert np.corrcoef(outputs(bench, model, TOKENS).ravel(), before.ravel())[0, 1] > 0.9999


def test_excluded_tables_stay_as_they_are() -> None:
    assert tables.shrink(embedding(), ["add"]) == 0
    assert tables.shrink_lookups(embedding(), ["look"]) == 0


@pytest.mark.parametrize("mode", ["Dynamic", "WeightOnly"])
def test_a_model_of_tokens_is_a_quarter_at_most(bench: Bench, mode: str) -> None:
    folder = bench.folder()
    onnx.save_model(embedding(), str(folder / files.MODEL))
    artifact: Artifact = files.artifact(folder)

    result = Quantize.model_validate({"mode": mode}).apply(artifact, bench.context())

    assert artifact.size / result.size > 3.8
    before, after = run(artifact, TOKENS)["y"], run(result, TOKENS)["y"]
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.98
