"""Quantising graphs to 8 bits."""

import weakref
from typing import Any

import numpy as np
import onnx
import pytest

from lathe_steps.base import Artifact, Format, Runtime, TensorSpec
from lathe_steps.convert_precision import ConvertPrecision
from lathe_steps.errors import BadInput, InvalidSpec
from lathe_steps.quantize import Quantize
from lathe_steps.reasons import Reason
from lathe_steps.toolchains.count import parameters
from lathe_steps.toolchains.graphs import watching
from tests.step_runs import Bench, Samples, run

pytestmark = pytest.mark.toolchain

IMAGES = np.random.default_rng(0).uniform(size=(20, 1, 8, 8)).astype(np.float32)
RTX = Runtime("TensorRTRTX")


def quantised(
    bench: Bench, artifact: Artifact | None = None, *, runtime: Runtime | None = None, **asked: Any
) -> Artifact:
    step = Quantize.model_validate(
        {"mode": "Static", "calibration": {"dataset": "calib", "samples": 32}, **asked}
    )
    return step.apply(
        artifact or bench.graph(), bench.context(runtimes=(runtime or bench.runtime,))
    )


def kinds(artifact: Artifact) -> set[str]:
    return {node.op_type for node in onnx.load(artifact.main).graph.node}


FORMS = {
    "as integer operators for ONNX Runtime": ({"QLinearConv", "QLinearMatMul"}, None, {}),
    "as pairs where they are asked for": ({"DequantizeLinear"}, None, {"format": "QDQ"}),
    "as pairs for TensorRT": ({"DequantizeLinear"}, RTX, {}),
    "with weights per tensor": ({"QLinearConv"}, None, {"perChannel": False}),
    "by entropy": (
        {"QLinearConv"},
        None,
        {"calibration": {"dataset": "calib", "method": "Entropy", "samples": 8}},
    ),
    "by percentiles": (
        {"QLinearConv"},
        None,
        {"calibration": {"dataset": "calib", "method": "Percentile", "samples": 8}},
    ),
}


@pytest.mark.parametrize(("expected", "runtime", "asked"), FORMS.values(), ids=FORMS)
def test_it_quantises(
    bench: Bench, expected: set[str], runtime: Runtime | None, asked: dict[str, Any]
) -> None:
    artifact = bench.graph()

    result = quantised(bench, artifact, runtime=runtime, **asked)

    assert expected <= kinds(result)
    before, after = run(artifact, {"x": IMAGES})["scores"], run(result, {"x": IMAGES})["scores"]
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.99
    assert parameters(result) == parameters(artifact)
    assert {file.name for file in result.path.iterdir()} == set(result.entry)


def test_weights_are_a_quarter(bench: Bench) -> None:
    artifact = bench.graph()

    result = quantised(bench, artifact, perChannel=False)

    stored = {t.name: len(t.raw_data) for t in onnx.load(result.main).graph.initializer}
    assert stored["second.weight_quantized"] == 16 * 8 * 3 * 3


def types(artifact: Artifact, name: str) -> set[int]:
    return {t.data_type for t in onnx.load(artifact.main).graph.initializer if name in t.name}


def test_tensorrt_gets_signed_symmetric_values_and_floating_biases(bench: Bench) -> None:
    result = quantised(bench, runtime=RTX)

    graph = onnx.load(result.main).graph
    points = [t for t in graph.initializer if t.name.endswith("zero_point")]
    assert points
    for point in points:
        assert point.data_type == onnx.TensorProto.INT8
        assert not onnx.numpy_helper.to_array(point).any()
    assert types(result, "first.bias") == {onnx.TensorProto.FLOAT}
    assert types(result, "second.weight") >= {onnx.TensorProto.FLOAT}  # followed by a pair


def test_excluded_nodes_stay_in_floating_point(bench: Bench) -> None:
    result = quantised(bench, exclude=["sec*"])

    names = {node.name: node.op_type for node in onnx.load(result.main).graph.node}
    assert names["second"] == "Conv"
    assert "QLinearConv" in names.values()
    assert result.facts["floating_nodes"] == 1


def test_progress_counts_samples(bench: Bench) -> None:
    result = quantised(bench)

    assert [message for _, message in bench.told] == ["calibrating 16/32", "calibrating 32/32"]
    assert result.facts["samples"] == 32


def test_more_samples_than_there_are_is_all_of_them(bench: Bench) -> None:
    result = quantised(bench, calibration={"dataset": "calib", "samples": 1000})

    assert result.facts["samples"] == len(bench.datasets["calib"])


def test_a_batch_of_fixed_size_is_filled_up(bench: Bench) -> None:
    bench.datasets = {"calib": Samples("calib", {"x": IMAGES[:6]})}

    result = quantised(bench, bench.graph(batch=4))

    assert result.facts["samples"] == 6


@pytest.mark.parametrize("method", ["MinMax", "Entropy", "Percentile"])
def test_every_batch_is_forgotten_before_the_next(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """What keeps memory from growing with the samples, for every method."""
    seen: list[weakref.ref[np.ndarray]] = []
    alive: list[int] = []
    honest = watching.run

    def watched(*args: Any) -> list[np.ndarray]:
        alive.append(sum(each() is not None for each in seen))
        found = honest(*args)
        seen.extend(weakref.ref(each) for each in found)
        return found

    monkeypatch.setattr(watching, "run", watched)
    quantised(bench, calibration={"dataset": "calib", "samples": 40, "method": method})

    assert len(alive) >= 3
    assert set(alive) == {0}


def mlp(bench: Bench) -> Artifact:
    from lathe_steps.export import Export

    return Export().apply(bench.network("lathe.mlp"), bench.context())


def test_matrix_products_are_quantised_while_running(bench: Bench) -> None:
    artifact = mlp(bench)

    result = quantised(bench, artifact, mode="Dynamic", calibration=None)

    assert {"DynamicQuantizeLinear", "MatMulInteger"} & kinds(result)
    assert artifact.size / result.size > 3
    before, after = run(artifact, {"x": IMAGES})["output"], run(result, {"x": IMAGES})["output"]
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.99


REFUSED: dict[str, tuple[Reason, dict[str, Any]]] = {
    "an entry of exclude that matches nothing": (Reason.INVALID_SPEC, {"exclude": ["third"]}),
    "ranges found while running, on a GPU": (
        Reason.INVALID_SPEC,
        {"mode": "Dynamic", "calibration": None, "runtime": RTX},
    ),
}


@pytest.mark.parametrize(("reason", "asked"), REFUSED.values(), ids=REFUSED)
def test_it_refuses(bench: Bench, reason: Reason, asked: dict[str, Any]) -> None:
    with pytest.raises(InvalidSpec) as refusal:
        quantised(bench, **asked)

    assert refusal.value.reason is reason


def test_a_misspelt_node_gets_names_that_there_are(bench: Bench) -> None:
    with pytest.raises(InvalidSpec) as refusal:
        quantised(bench, exclude=["frist"])

    assert "first" in refusal.value.message


def test_quantising_twice_is_refused(bench: Bench) -> None:
    once = quantised(bench)

    with pytest.raises(InvalidSpec):
        quantised(bench, once)


def test_a_graph_in_16_bits_is_refused(bench: Bench) -> None:
    narrow = ConvertPrecision().apply(bench.graph(), bench.context())

    with pytest.raises(InvalidSpec):
        quantised(bench, narrow)


def test_convolutions_alone_are_not_quantised_while_running(bench: Bench) -> None:
    artifact = bench.graph()
    model = onnx.load(artifact.main)
    del model.graph.node[3:]
    model.graph.output[0].CopyFrom(
        onnx.helper.make_tensor_value_info("c", onnx.TensorProto.FLOAT, ["batch", 16, 8, 8])
    )
    onnx.save_model(model, str(artifact.main))

    with pytest.raises(InvalidSpec):
        quantised(bench, artifact, mode="Dynamic", calibration=None)


def test_samples_of_another_shape_are_bad(bench: Bench) -> None:
    bench.datasets = {"calib": Samples("calib", {"x": np.zeros((4, 1, 9, 9), np.float32)})}

    with pytest.raises(BadInput) as refusal:
        quantised(bench)

    assert refusal.value.reason is Reason.SHAPE_MISMATCH


def test_samples_that_the_graph_chokes_on_are_bad(bench: Bench) -> None:
    """The shape is free, but not every size of it works."""
    free = bench.graph()
    model = onnx.load(free.main)
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "channels"
    onnx.save_model(model, str(free.main))
    bench.inputs = (TensorSpec("x", "float32", ("batch", "channels", 8, 8)),)
    bench.datasets = {"calib": Samples("calib", {"x": np.zeros((4, 3, 8, 8), np.float32)})}

    with pytest.raises(BadInput) as refusal:
        quantised(bench, Artifact(Format.ONNX, free.path, free.entry))

    assert refusal.value.reason is Reason.SHAPE_MISMATCH
