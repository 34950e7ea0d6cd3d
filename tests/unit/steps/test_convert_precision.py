"""Graphs in 16 bits."""

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lathe_steps.base import Artifact, Runtime
from lathe_steps.convert_precision import ConvertPrecision
from lathe_steps.errors import Internal, InvalidSpec
from lathe_steps.quantize import Quantize
from lathe_steps.reasons import Reason
from lathe_steps.toolchains.graphs import files
from lathe_steps.toolchains.onnx_runtime import Session
from tests.step_runs import Bench, Samples, run

pytestmark = pytest.mark.toolchain

IMAGES = np.random.default_rng(0).normal(size=(5, 1, 8, 8)).astype(np.float32)
RTX = Runtime("TensorRTRTX")


def converted(bench: Bench, artifact: Artifact | None = None, **asked: Any) -> Artifact:
    step = ConvertPrecision.model_validate(asked)
    return step.apply(artifact or bench.graph(), bench.context(runtimes=(RTX,)))


def stored(bench: Bench, model: onnx.ModelProto) -> Artifact:
    folder = bench.folder()
    onnx.save_model(model, str(folder / files.MODEL))
    return files.artifact(folder)


WAYS = {
    "half precision": (1e-2, {}),
    "half precision, inputs and outputs too": (1e-2, {"keepIoTypes": False}),
    "bfloat16": (5e-2, {"dtype": "BF16"}),
    "bfloat16, inputs and outputs too": (5e-2, {"dtype": "BF16", "keepIoTypes": False}),
    "all but a node": (1e-2, {"exclude": ["second"]}),
}


@pytest.mark.parametrize(("tolerance", "asked"), WAYS.values(), ids=WAYS)
def test_it_computes_nearly_the_same(bench: Bench, tolerance: float, asked: dict[str, Any]) -> None:
    artifact = bench.graph(size=16)
    images = np.random.default_rng(0).normal(size=(5, 1, 16, 16)).astype(np.float32)

    narrow = converted(bench, artifact, **asked)

    before, after = run(artifact, {"x": images})["scores"], run(narrow, {"x": images})["scores"]
    assert np.abs(before - after.astype(np.float32)).max() < tolerance * np.abs(before).max()
    assert {file.name for file in narrow.path.iterdir()} == set(narrow.entry)


def elements(artifact: Artifact) -> dict[str, int]:
    """The type of every weight, input and output."""
    graph = onnx.load(artifact.main).graph
    infos = {i.name: i.type.tensor_type.elem_type for i in (*graph.input, *graph.output)}
    return infos | {tensor.name: tensor.data_type for tensor in graph.initializer}


def test_weights_are_halved_and_the_interface_is_kept(bench: Bench) -> None:
    types = elements(converted(bench))

    assert types.pop("x") == types.pop("scores") == TensorProto.FLOAT
    assert set(types.values()) == {TensorProto.FLOAT16}


def test_the_interface_is_converted_where_that_is_asked_for(bench: Bench) -> None:
    assert set(elements(converted(bench, keepIoTypes=False)).values()) == {TensorProto.FLOAT16}


def test_an_excluded_node_keeps_its_weights(bench: Bench) -> None:
    narrow = converted(bench, exclude=["second"])

    assert elements(narrow)["second.weight"] == TensorProto.FLOAT
    assert narrow.facts["nodes_32bit"] == 1


def model_of(
    *nodes: onnx.NodeProto, weights: dict[str, np.ndarray], shape: list[int | str]
) -> onnx.ModelProto:
    graph = helper.make_graph(
        list(nodes),
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def test_what_has_to_be_wide_stays_wide(bench: Bench) -> None:
    """The scales of a Resize are 32-bit floats in every version of ONNX."""
    model = model_of(
        helper.make_node("Resize", ["x", "", "scales"], ["r"], "resize"),
        helper.make_node("Mul", ["r", "weight"], ["y"], "mul"),
        weights={
            "scales": np.array([1, 1, 2, 2], np.float32),
            "weight": np.full((1, 1, 16, 16), 3, np.float32),
        },
        shape=["n", 1, 8, 8],
    )

    narrow = converted(bench, stored(bench, model))

    types = elements(narrow)
    assert (types["scales"], types["weight"]) == (TensorProto.FLOAT, TensorProto.FLOAT16)
    assert run(narrow, {"x": IMAGES})["y"].shape == (5, 1, 16, 16)


def test_a_weight_of_both_kinds_of_nodes_is_stored_twice(bench: Bench) -> None:
    model = model_of(
        helper.make_node("Mul", ["x", "weight"], ["a"], "narrow"),
        helper.make_node("Add", ["a", "weight"], ["y"], "wide"),
        weights={"weight": np.ones((1, 1, 8, 8), np.float32)},
        shape=["n", 1, 8, 8],
    )

    narrow = converted(bench, stored(bench, model), exclude=["wide"])

    assert elements(narrow)["weight"] == TensorProto.FLOAT
    assert elements(narrow)["weight_narrow"] == TensorProto.FLOAT16


def test_a_cast_to_32_bits_becomes_one_to_16(bench: Bench) -> None:
    model = model_of(
        helper.make_node("Cast", ["x"], ["i"], "floor", to=TensorProto.INT32),
        helper.make_node("Cast", ["i"], ["f"], "back", to=TensorProto.FLOAT),
        helper.make_node("Mul", ["f", "weight"], ["y"], "mul"),
        weights={"weight": np.full((1,), 2, np.float32)},
        shape=["n", 4],
    )

    narrow = converted(bench, stored(bench, model), keepIoTypes=False)

    graph = onnx.load(narrow.main).graph
    casts = {node.name: node.attribute[0].i for node in graph.node if node.op_type == "Cast"}
    assert casts == {"floor": TensorProto.INT32, "back": TensorProto.FLOAT16}


def branching() -> onnx.ModelProto:
    """A graph whose branches use a tensor from outside of them."""
    shape: list[int | str] = ["n", 1, 8, 8]
    branches = [
        helper.make_graph(
            [helper.make_node(kind, ["outer"], ["inner"], kind)],
            kind,
            [],
            [helper.make_tensor_value_info("inner", TensorProto.FLOAT, shape)],
        )
        for kind in ("Relu", "Neg")
    ]
    return model_of(
        helper.make_node("Mul", ["x", "weight"], ["outer"], "captured"),
        helper.make_node("ReduceSum", ["outer"], ["sum"], "sum", keepdims=0),
        helper.make_node("Greater", ["sum", "zero"], ["condition"], "greater"),
        helper.make_node(
            "If",
            ["condition"],
            ["chosen"],
            "if",
            then_branch=branches[0],
            else_branch=branches[1],
        ),
        helper.make_node("Mul", ["chosen", "weight"], ["y"], "last"),
        weights={"weight": np.full((1,), 2, np.float32), "zero": np.zeros((), np.float32)},
        shape=shape,
    )


def test_branches_and_what_they_use_stay_wide(bench: Bench) -> None:
    artifact = stored(bench, branching())

    narrow = converted(bench, artifact)

    expected = run(artifact, {"x": IMAGES})["y"]
    assert np.allclose(run(narrow, {"x": IMAGES})["y"], expected, rtol=1e-2)


def test_values_that_overflow_are_noticed(bench: Bench) -> None:
    model = model_of(
        helper.make_node("Mul", ["x", "large"], ["a"], "grows"),
        helper.make_node("Mul", ["a", "large"], ["y"], "overflows"),
        weights={"large": np.full((1, 1, 8, 8), 30_000, np.float32)},
        shape=["n", 1, 8, 8],
    )

    with pytest.raises(Internal) as refusal:
        converted(bench, stored(bench, model), keepIoTypes=False)

    assert refusal.value.reason is Reason.CONVERSION_MISMATCH


def growing() -> onnx.ModelProto:
    """Values beyond half precision in the middle, and small ones again at the end."""
    return model_of(
        helper.make_node("Mul", ["x", "large"], ["a"], "grows"),
        helper.make_node("Mul", ["a", "large"], ["b"], "overflows"),
        helper.make_node("Mul", ["b", "tiny"], ["c"], "shrinks"),
        helper.make_node("Relu", ["c"], ["d"], "relu"),
        helper.make_node("Add", ["d", "one"], ["y"], "adds"),
        weights={
            "large": np.full((1,), 30_000, np.float32),
            "tiny": np.full((1,), 1e-9, np.float32),
            "one": np.ones((1,), np.float32),
        },
        shape=["n", 1, 8, 8],
    )


def test_nodes_whose_values_do_not_fit_stay_wide_when_samples_show_them(bench: Bench) -> None:
    artifact = stored(bench, growing())
    bench.datasets = {"calib": Samples("calib", {"x": IMAGES})}

    narrow = converted(bench, artifact, calibration={"dataset": "calib"})

    assert narrow.facts["values_do_not_fit"] == "grows, overflows, shrinks"
    assert narrow.facts["nodes_32bit"] == 3
    expected = run(artifact, {"x": IMAGES})["y"]
    np.testing.assert_allclose(run(narrow, {"x": IMAGES})["y"], expected, rtol=1e-2, atol=1e-2)


def test_nothing_stays_wide_when_all_values_fit(bench: Bench) -> None:
    narrow = converted(bench, calibration={"dataset": "calib", "samples": 8})

    assert "values_do_not_fit" not in narrow.facts
    assert narrow.facts["nodes_32bit"] == 0


def test_a_weight_that_is_too_large_becomes_the_largest(bench: Bench) -> None:
    model = model_of(
        helper.make_node("Mul", ["x", "large"], ["a"], "grows"),
        helper.make_node("Sigmoid", ["a"], ["y"], "bounds"),
        weights={"large": np.full((1, 1, 8, 8), 1e9, np.float32)},
        shape=["n", 1, 8, 8],
    )

    narrow = converted(bench, stored(bench, model))

    weight = onnx.load(narrow.main).graph.initializer[0]
    assert numpy_helper.to_array(weight).max() == 65504


def test_bfloat16_is_not_for_cpus(bench: Bench) -> None:
    with pytest.raises(InvalidSpec):
        ConvertPrecision(dtype="BF16").apply(bench.graph(), bench.context())


def test_a_quantised_graph_is_refused(bench: Bench) -> None:
    quantised = Quantize.model_validate(
        {"mode": "Static", "calibration": {"dataset": "calib", "samples": 4}}
    ).apply(bench.graph(), bench.context())

    with pytest.raises(InvalidSpec):
        converted(bench, quantised)


def test_a_misspelt_node_gets_names_that_there_are(bench: Bench) -> None:
    with pytest.raises(InvalidSpec) as refusal:
        converted(bench, exclude=["frist"])

    assert "first" in refusal.value.message


def test_bfloat16_runs_on_a_cpu_with_rounded_weights(bench: Bench) -> None:
    narrow = converted(bench, dtype="BF16", keepIoTypes=False)

    session = Session(narrow, 1)

    assert session.inputs[0].dtype == "float32"
    assert elements(narrow)["x"] == TensorProto.BFLOAT16
