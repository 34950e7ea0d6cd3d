"""Opening ONNX files that nobody vouches for."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lathe_steps.base import TensorSpec
from lathe_steps.errors import BadInput
from lathe_steps.reasons import Reason
from lathe_steps.toolchains.graphs import files
from lathe_steps.toolchains.source import SourceModel, inputs_of, open_source
from tests import corpus
from tests.step_runs import X, run, small_graph

pytestmark = pytest.mark.toolchain

IMAGES = np.random.default_rng(0).normal(size=(3, 1, 8, 8)).astype(np.float32)


def source(path: Path, *inputs: TensorSpec) -> SourceModel:
    return SourceModel("ONNX", path, inputs=inputs)


def fetched(tmp_path: Path) -> Path:
    made = tmp_path / "fetched"
    made.mkdir()
    return made


def out(tmp_path: Path) -> Path:
    made = tmp_path / "out"
    made.mkdir()
    return made


def test_a_model_is_opened(tmp_path: Path) -> None:
    file = corpus.written(fetched(tmp_path), small_graph())

    artifact = open_source(source(file), out(tmp_path))

    assert artifact.entry == ("model.onnx",)
    assert inputs_of(artifact) == (X,)
    assert run(artifact, {"x": IMAGES})["scores"].shape == (3, 10)


BESIDE = {
    "in one file": files.INLINE_LIMIT,
    "in a data file of its own, when it is large": 100,
}


@pytest.mark.parametrize("limit", BESIDE.values(), ids=BESIDE)
def test_data_beside_the_model_comes_along(
    tmp_path: Path, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = corpus.written(fetched(tmp_path), small_graph())
    expected = run(files.artifact(plain.parent), {"x": IMAGES})["scores"]
    file = corpus.with_external_data(plain.parent, "weights.bin", offset=4096)
    monkeypatch.setattr(files, "INLINE_LIMIT", limit)

    artifact = open_source(source(file.parent), out(tmp_path))

    assert np.array_equal(run(artifact, {"x": IMAGES})["scores"], expected)
    assert ("model.onnx.data" in artifact.entry) == (limit == 100)
    assert {file.name for file in artifact.path.iterdir()} == set(artifact.entry)


LEAVES: dict[str, Callable[[Path], Path]] = {
    "the folder above": lambda f: corpus.with_external_data(f, "../secret"),
    "an absolute place": lambda f: corpus.with_external_data(f, "/etc/hostname"),
    "a folder within": lambda f: corpus.with_external_data(f, "sub/weights.bin"),
    "the folder itself": lambda f: corpus.with_external_data(f, "."),
    "nowhere": lambda f: corpus.with_external_data(f, ""),
    "another system's path": lambda f: corpus.with_external_data(f, "..\\secret"),
    "a symbolic link": corpus.with_symbolic_link,
    "a hard link": corpus.with_hard_link,
    "a pipe": corpus.with_pipe,
}


@pytest.mark.parametrize("make", LEAVES.values(), ids=LEAVES)
def test_data_must_not_lie_in(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    file = make(fetched(tmp_path))

    with pytest.raises(BadInput) as refusal:
        open_source(source(file), out(tmp_path))

    assert refusal.value.reason is Reason.UNSAFE_MODEL
    assert "last.weight" in refusal.value.message


DAMAGED: dict[str, tuple[Reason, Callable[[Path], Path]]] = {
    "data that is missing": (
        Reason.INVALID_MODEL,
        lambda f: corpus.with_external_data(f, "other.bin"),
    ),
    "data beyond the end of its file": (
        Reason.INVALID_MODEL,
        lambda f: corpus.with_external_data(f, "weights.bin", length=10**9),
    ),
    "data before the beginning of its file": (
        Reason.INVALID_MODEL,
        lambda f: corpus.with_external_data(f, "weights.bin", length=-1),
    ),
    "somebody's operator": (Reason.UNSUPPORTED_MODEL, corpus.with_custom_operator),
    "somebody's operator in a branch": (Reason.UNSUPPORTED_MODEL, corpus.with_hidden_operator),
    "an operator that there is not": (Reason.INVALID_MODEL, corpus.with_unknown_operator),
    "a weight of an impossible shape": (Reason.INVALID_MODEL, corpus.with_impossible_shape),
    "a weight that is missing": (Reason.INVALID_MODEL, corpus.with_missing_weight),
    "half a file": (Reason.INVALID_MODEL, corpus.half_a_graph),
    "no nodes": (Reason.INVALID_MODEL, corpus.without_nodes),
    "random bytes": (Reason.INVALID_MODEL, lambda f: corpus.garbage(f, "model.onnx")),
    "nothing": (Reason.INVALID_MODEL, lambda f: corpus.empty(f, "model.onnx")),
    "text": (
        Reason.INVALID_MODEL,
        lambda f: (
            (f / "model.onnx").rename(f / "model.onnx")
            if (f / "model.onnx").write_text("<Error>AccessDenied</Error>")
            else f
        ),
    ),
}


@pytest.mark.parametrize(("reason", "make"), DAMAGED.values(), ids=DAMAGED)
def test_it_refuses(tmp_path: Path, reason: Reason, make: Callable[[Path], Path]) -> None:
    file = make(fetched(tmp_path))

    with pytest.raises(BadInput) as refusal:
        open_source(source(file), out(tmp_path))

    assert refusal.value.reason is reason
    assert refusal.value.message.startswith("model.onnx: ")
    assert "\n" not in refusal.value.message


DECLARED = {
    "the same": (None, X),
    "a size for a free axis": (None, TensorSpec("x", "float32", (4, 1, 8, 8))),
    "another name": (Reason.SHAPE_MISMATCH, TensorSpec("image", "float32", X.shape)),
    "another type": (Reason.SHAPE_MISMATCH, TensorSpec("x", "int64", X.shape)),
    "another size": (Reason.SHAPE_MISMATCH, TensorSpec("x", "float32", ("batch", 1, 9, 9))),
    "a free axis for a size": (Reason.SHAPE_MISMATCH, TensorSpec("x", "float32", ("b", "c", 8, 8))),
    "fewer axes": (Reason.SHAPE_MISMATCH, TensorSpec("x", "float32", ("batch", 64))),
}


@pytest.mark.parametrize(("reason", "declared"), DECLARED.values(), ids=DECLARED)
def test_declared_inputs_are_compared(
    tmp_path: Path, reason: Reason | None, declared: TensorSpec
) -> None:
    file = corpus.written(fetched(tmp_path), small_graph())

    if reason is None:
        open_source(source(file, declared), out(tmp_path))
        return
    with pytest.raises(BadInput) as refusal:
        open_source(source(file, declared), out(tmp_path))
    assert refusal.value.reason is reason


def elsewhere() -> onnx.ModelProto:
    """As other exporters write: odd names, an unnamed free axis, integers, several outputs."""
    graph = helper.make_graph(
        [
            helper.make_node("Gather", ["table", "input.ids:0"], ["rows"]),
            helper.make_node("Add", ["rows", "serving_default/bias"], ["sum"]),
            helper.make_node("ReduceMax", ["sum"], ["largest"], keepdims=0),
            helper.make_node("Relu", ["sum"], ["7"]),
        ],
        "from elsewhere",
        [
            helper.make_tensor_value_info("input.ids:0", TensorProto.INT64, [None, "length"]),
            helper.make_tensor_value_info("serving_default/bias", TensorProto.FLOAT, [4]),
        ],
        [
            helper.make_tensor_value_info("7", TensorProto.FLOAT, [None, "length", 4]),
            helper.make_tensor_value_info("largest", TensorProto.FLOAT, []),
        ],
        [numpy_helper.from_array(np.eye(4, dtype=np.float32), "table")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def test_a_model_from_elsewhere(tmp_path: Path) -> None:
    file = corpus.written(fetched(tmp_path), elsewhere())

    artifact = open_source(source(file), out(tmp_path))

    assert inputs_of(artifact) == (
        TensorSpec("input.ids:0", "int64", ("input.ids:0_0", "length")),
        TensorSpec("serving_default/bias", "float32", (4,)),
    )
    names = [node.name for node in onnx.load(artifact.main).graph.node]
    assert names == ["Gather", "Add", "ReduceMax", "Relu"]


def test_nodes_get_names_of_their_own(tmp_path: Path) -> None:
    model = small_graph()
    for node in model.graph.node:
        node.name = "" if node.op_type == "Conv" else "same"

    artifact = open_source(source(corpus.written(fetched(tmp_path), model)), out(tmp_path))

    names = [node.name for node in onnx.load(artifact.main).graph.node]
    assert names == ["Conv", "same", "Conv_2", "same_2", "same_3", "same_4"]
