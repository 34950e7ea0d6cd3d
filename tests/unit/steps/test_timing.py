"""How models are timed, counted and weighed, on graphs whose figures are known beforehand."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lathe_steps.base import Artifact, Format
from lathe_steps.errors import Internal
from lathe_steps.toolchains.graphs import macs
from lathe_steps.toolchains.peak_memory import peak_memory
from lathe_steps.toolchains.timing import pinned

pytestmark = pytest.mark.toolchain


def graph(
    folder: Path, nodes: list[onnx.NodeProto], weights: dict[str, Any], *, shape: list[int]
) -> Artifact:
    """A graph from x of a shape to y."""
    folder.mkdir(exist_ok=True)
    made = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *shape])],
        [helper.make_empty_tensor_value_info("y")],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()],
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(made, opset_imports=opsets, ir_version=10), folder / "model.onnx")
    return Artifact(Format.ONNX, folder, ("model.onnx",))


def zeros(*shape: int, dtype: Any = np.float32) -> np.ndarray:
    return np.zeros(shape, dtype)


def node(kind: str, *inputs: str, output: str = "y", **rest: Any) -> onnx.NodeProto:
    return helper.make_node(kind, list(inputs), [output], **rest)


COUNTED: dict[str, tuple[int, list[onnx.NodeProto], dict[str, Any], list[int]]] = {
    "a convolution: each output pixel sums its window": (
        8 * 6 * 6 * (3 * 3 * 3),
        [node("Conv", "x", "w")],
        {"w": zeros(8, 3, 3, 3)},
        [3, 8, 8],
    ),
    "groups share the channels": (
        4 * 6 * 6 * (1 * 3 * 3),
        [node("Conv", "x", "w", group=4)],
        {"w": zeros(4, 1, 3, 3)},
        [4, 8, 8],
    ),
    "a convolution backwards: each input pixel is spread": (
        3 * 8 * 8 * (5 * 2 * 2),
        [node("ConvTranspose", "x", "w", strides=[2, 2])],
        {"w": zeros(3, 5, 2, 2)},
        [3, 8, 8],
    ),
    "a linear layer, whichever way its weights lie": (
        16 * 10,
        [node("Gemm", "x", "w", transB=1)],
        {"w": zeros(10, 16)},
        [16],
    ),
    "a product of two activations": (
        5 * 5 * 7,
        [
            node("Transpose", "x", output="t", perm=[0, 2, 1]),
            node("MatMul", "x", "t"),
        ],
        {},
        [5, 7],
    ),
    "a linear layer after an operator of ONNX Runtime's own": (
        16 * 10,
        [node("Gelu", "x", output="g", domain="com.microsoft"), node("MatMul", "g", "w")],
        {"w": zeros(16, 10)},
        [16],
    ),
    "a layer in 8 bits as much as in 32": (
        16 * 10,
        [
            node("QuantizeLinear", "x", "one", "zero", output="q"),
            node(
                "QLinearMatMul", "q", "one", "zero", "w", "one", "zero", "one", "zero", output="p"
            ),
            node("DequantizeLinear", "p", "one", "zero"),
        ],
        {
            "w": zeros(16, 10, dtype=np.uint8),
            "one": np.float32(1),
            "zero": np.uint8(0),
        },
        [16],
    ),
    "sums over indices": (
        4 * 5 * 7,
        [node("Einsum", "x", "w", equation="nij,jk->nik")],
        {"w": zeros(5, 7)},
        [4, 5],
    ),
    "fused attention: projections, scores, and what they weigh": (
        6 * 8 * 24 + 2 * 6 * 6 * 8,
        [node("Attention", "x", "w", "b", domain="com.microsoft", num_heads=2)],
        {"w": zeros(8, 24), "b": zeros(24)},
        [6, 8],
    ),
    "attention of heads": (
        6 * 6 * (8 + 8),
        [node("MultiHeadAttention", "x", "x", "x", domain="com.microsoft", num_heads=2)],
        {},
        [6, 8],
    ),
    "a recurrent layer: each step sees the input and the state": (
        3 * (4 * 5 * 6 + 4 * 5 * 5),
        [
            node("Transpose", "x", output="t", perm=[1, 0, 2]),
            node("LSTM", "t", "w", "r", hidden_size=5),
        ],
        {"w": zeros(1, 20, 6), "r": zeros(1, 20, 5)},
        [3, 6],
    ),
    "additions alone are nothing": (0, [node("Add", "x", "x")], {}, [16]),
}


@pytest.mark.parametrize("samples", [1, 3])
@pytest.mark.parametrize(("expected", "nodes", "weights", "shape"), COUNTED.values(), ids=COUNTED)
def test_what_is_multiplied_is_counted_per_sample(
    expected: int,
    nodes: list[onnx.NodeProto],
    weights: dict[str, Any],
    shape: list[int],
    samples: int,
    tmp_path: Path,
) -> None:
    made = graph(tmp_path / "model", nodes, weights, shape=shape)

    assert expected == macs.count(made, {"x": zeros(samples, *shape)})


def test_weights_in_a_file_of_their_own_count_and_stay_where_they_are(tmp_path: Path) -> None:
    made = graph(tmp_path / "model", [node("MatMul", "x", "w")], {"w": zeros(64, 64)}, shape=[64])
    model = onnx.load(made.main)
    onnx.save(model, made.main, save_as_external_data=True, location="model.data", size_threshold=0)
    before = {file.name: file.read_bytes() for file in made.path.iterdir()}

    assert macs.count(made, {"x": zeros(1, 64)}) == 64 * 64
    assert before == {file.name: file.read_bytes() for file in made.path.iterdir()}


def test_a_model_takes_at_least_the_memory_of_its_weights(tmp_path: Path) -> None:
    size = 3000
    weights = {"w": np.random.default_rng(0).normal(size=(size, size)).astype(np.float32)}
    large = graph(tmp_path / "large", [node("MatMul", "x", "w")], weights, shape=[size])
    small = graph(tmp_path / "small", [node("Add", "x", "x")], {}, shape=[size])
    sample = {"x": zeros(1, size)}

    taken = [peak_memory(model, sample, threads=1) for model in (small, large)]

    assert taken[0] is not None
    assert taken[1] is not None
    assert taken[1] - taken[0] > weights["w"].nbytes


def test_memory_of_what_cannot_be_run_is_an_error(tmp_path: Path) -> None:
    made = graph(tmp_path / "model", [node("MatMul", "x", "w")], {"w": zeros(4, 4)}, shape=[4])

    with pytest.raises(Internal):
        peak_memory(made, {"x": zeros(1, 5)}, threads=1)


def test_calls_stay_on_their_cpus_and_are_let_go_afterwards() -> None:
    allowed = os.sched_getaffinity(0)

    with pinned(1) as cpus:
        assert (len(cpus), set(cpus)) == (1, os.sched_getaffinity(0))

    assert os.sched_getaffinity(0) == allowed


def test_more_threads_than_cpus_are_not_pinned() -> None:
    allowed = os.sched_getaffinity(0)

    with pinned(len(allowed) + 1) as cpus:
        assert cpus == ()
        assert os.sched_getaffinity(0) == allowed


def test_products_in_a_branch_have_no_count(tmp_path: Path) -> None:
    branch = helper.make_graph(
        [node("MatMul", "x", "w", output="z")],
        "branch",
        [],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, None)],
    )
    made = graph(
        tmp_path / "model",
        [node("If", "always", then_branch=branch, else_branch=branch)],
        {"w": zeros(4, 4), "always": np.bool_(1)},
        shape=[4],
    )

    assert macs.count(made, {"x": zeros(1, 4)}) is None
