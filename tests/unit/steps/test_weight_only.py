"""Weights of few bits alone: as ONNX Runtime's own product, or as pairs for TensorRT."""

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from lathe_steps.base import Artifact, Format, Runtime, TensorSpec
from lathe_steps.errors import InvalidSpec
from lathe_steps.quantize import Quantize
from lathe_steps.toolchains.count import parameters
from lathe_steps.toolchains.graphs import few_bits, layers
from lathe_steps.toolchains.graphs.few_bits import Blocks
from lathe_steps.toolchains.graphs.rounding import grid, in_blocks
from tests.step_runs import Bench, run

pytestmark = pytest.mark.toolchain

RTX = Runtime("TensorRTRTX")
X = {"x": np.random.default_rng(0).normal(size=(6, 70)).astype(np.float32)}


def products(bench: Bench) -> Artifact:
    """A Gemm with transposed weights and a bias, and a MatMul; 70 is no multiple of a block."""
    random = np.random.default_rng(0)
    weights = {
        "first.w": random.normal(size=(40, 70)),
        "first.b": random.normal(size=40),
        "second.w": random.normal(size=(40, 10)),
    }
    nodes = [
        helper.make_node("Gemm", ["x", "first.w", "first.b"], ["a"], "first/Gemm", transB=1),
        helper.make_node("Relu", ["a"], ["b"], "relu"),
        helper.make_node("MatMul", ["b", "second.w"], ["y"], "second/MatMul"),
    ]
    graph = helper.make_graph(
        nodes,
        "products",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 70])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 10])],
        [numpy_helper.from_array(w.astype(np.float32), name) for name, w in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    folder = bench.folder()
    onnx.save_model(model, str(folder / "model.onnx"))
    bench.inputs = (TensorSpec("x", "float32", ("batch", 70)),)
    return Artifact(Format.ONNX, folder, ("model.onnx",))


def quantised(
    bench: Bench, artifact: Artifact | None = None, *, runtime: Runtime | None = None, **asked: Any
) -> Artifact:
    step = Quantize.model_validate({"mode": "WeightOnly", **asked})
    context = bench.context(runtimes=(runtime or bench.runtime,))
    return step.apply(artifact or products(bench), context)


def kinds(artifact: Artifact) -> list[str]:
    return [node.op_type for node in onnx.load(artifact.main).graph.node]


FORMS = {
    "in 4 bits": (0.98, ["MatMulNBits"] * 2, {}),
    "in 4 symmetric bits": (0.98, ["MatMulNBits"] * 2, {"weightSymmetry": "Symmetric"}),
    "in 8 bits": (0.9999, ["MatMulNBits"] * 2, {"bits": 8}),
    "in 8 asymmetric bits": (
        0.9999,
        ["MatMulNBits"] * 2,
        {"bits": 8, "weightSymmetry": "Asymmetric"},
    ),
    "in small blocks": (0.98, ["MatMulNBits"] * 2, {"groupSize": 16}),
    "in large blocks": (0.95, ["MatMulNBits"] * 2, {"groupSize": 128}),
    "in pairs for TensorRT": (0.95, ["DequantizeLinear"] * 2, {"runtime": RTX}),
    "in pairs of 8 bits for TensorRT": (
        0.9999,
        ["DequantizeLinear"] * 2,
        {"runtime": RTX, "bits": 8},
    ),
    "without what is excluded": (0.98, ["MatMulNBits"], {"exclude": ["second/*"]}),
}


@pytest.mark.parametrize(("likeness", "expected", "asked"), FORMS.values(), ids=FORMS)
def test_it_rounds(
    bench: Bench, likeness: float, expected: list[str], asked: dict[str, Any]
) -> None:
    artifact = products(bench)

    result = quantised(bench, artifact, **asked)

    assert [kind for kind in kinds(result) if kind in expected] == expected
    before, after = run(artifact, X)["y"], run(result, X)["y"]
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > likeness
    assert result.facts["floating_nodes"] == 2 - len(expected)


def test_what_is_simulated_is_what_runs(bench: Bench) -> None:
    """The ranking of layers speaks of the same rounding as the result has."""
    artifact = products(bench)
    result = quantised(bench, artifact, exclude=["second/*"])
    model = onnx.load(artifact.main)
    blocks = Blocks(4, 32, symmetric=False, spelling="MatMulNBits")
    (first, _) = layers.layers(model.graph)

    for tensor in model.graph.initializer:
        if tensor.name == first.weight:
            rounded = few_bits.rounded(numpy_helper.to_array(tensor), first, blocks)
            tensor.CopyFrom(numpy_helper.from_array(rounded, tensor.name))
    folder = bench.folder()
    onnx.save_model(model, str(folder / "model.onnx"))

    simulated = run(Artifact(Format.ONNX, folder, ("model.onnx",)), X)["y"]
    found = run(result, X)["y"]
    # ONNX Runtime may round activations to 8 bits within a block
    np.testing.assert_allclose(found, simulated, atol=0.02 * np.abs(simulated).max())


def test_parameters_are_still_counted(bench: Bench) -> None:
    artifact = products(bench)

    assert parameters(quantised(bench, artifact, bits=8)) >= parameters(artifact)


@given(st.integers(0, 2**32 - 1), st.integers(1, 70), st.sampled_from([4, 8]))
def test_rounding_is_never_off_by_more_than_half_a_step(seed: int, rows: int, bits: int) -> None:
    weight = np.random.default_rng(seed).normal(size=(rows, 3)).astype(np.float32)

    whole, scale, zero = in_blocks(weight, 16, grid(bits, signed=True, symmetric=True))

    values = ((whole - zero[:, None]) * scale[:, None]).reshape(-1, 3)[:rows]
    largest = np.repeat(scale, 16, axis=0)[:rows]
    assert (np.abs(values - weight) <= largest / 2 + 1e-5).all()


REFUSED: dict[str, dict[str, Any]] = {
    "a type of activations": {"activations": "UInt8"},
    "a type of weights": {"weights": "Int8"},
    "a symmetry of activations": {"activationSymmetry": "Symmetric"},
    "pairs, which ONNX Runtime is slow with": {"format": "QDQ"},
    "an own product for TensorRT": {"format": "QOperator", "runtime": RTX},
    "zero points for TensorRT": {"weightSymmetry": "Asymmetric", "runtime": RTX},
}


@pytest.mark.parametrize("asked", REFUSED.values(), ids=REFUSED)
def test_it_refuses(bench: Bench, asked: dict[str, Any]) -> None:
    with pytest.raises(InvalidSpec):
        quantised(bench, **asked)


def test_a_model_without_matrix_products_is_refused(bench: Bench) -> None:
    artifact = bench.graph()
    model = onnx.load(artifact.main)
    del model.graph.node[3:]
    model.graph.output[0].CopyFrom(
        helper.make_tensor_value_info("c", TensorProto.FLOAT, ["batch", 16, 8, 8])
    )
    onnx.save_model(model, str(artifact.main))

    with pytest.raises(InvalidSpec):
        quantised(bench, artifact)


def test_quantising_twice_is_refused(bench: Bench) -> None:
    with pytest.raises(InvalidSpec):
        quantised(bench, quantised(bench))
