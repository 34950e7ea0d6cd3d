"""Graphs that ONNX Runtime optimised ahead of time."""

from typing import Any

import numpy as np
import onnx
import pytest

from lathe_steps.base import Artifact, Runtime
from lathe_steps.errors import Internal, InvalidSpec
from lathe_steps.optimize import Optimize
from lathe_steps.quantize import Quantize
from lathe_steps.reasons import Reason
from lathe_steps.toolchains.graphs import optimising
from lathe_steps.toolchains.isa import instruction_sets
from tests.step_runs import Bench, run

pytestmark = pytest.mark.toolchain

IMAGES = np.random.default_rng(0).normal(size=(5, 1, 8, 8)).astype(np.float32)
HERE = Runtime("ONNXRuntime", instruction_sets(), pinned=True)


def optimised(
    bench: Bench, artifact: Artifact | None = None, *, runtime: Runtime = HERE, **asked: Any
) -> Artifact:
    context = bench.context(runtimes=(runtime,))
    return Optimize.model_validate(asked).apply(artifact or bench.graph(), context)


def domains(artifact: Artifact) -> set[str]:
    return {node.domain for node in onnx.load(artifact.main).graph.node}


LEVELS: dict[str, tuple[set[str], dict[str, Any]]] = {
    "leaving ONNX's own operators": ({""}, {"level": "Basic"}),
    "fusing into ONNX Runtime's": ({"", "com.microsoft"}, {}),
    "laid out for this CPU": ({"", "com.microsoft.nchwc"}, {"level": "All"}),
}


@pytest.mark.parametrize(("expected", "asked"), LEVELS.values(), ids=LEVELS)
def test_it_computes_the_same(bench: Bench, expected: set[str], asked: dict[str, Any]) -> None:
    artifact = bench.graph()

    result = optimised(bench, artifact, **asked)

    assert domains(result) <= expected
    before, after = run(artifact, {"x": IMAGES})["scores"], run(result, {"x": IMAGES})["scores"]
    np.testing.assert_allclose(after, before, rtol=1e-3, atol=1e-4)
    assert float(result.facts["nodes"]) <= float(result.facts["nodes_before"]) + 2  # reordering
    assert {file.name for file in result.path.iterdir()} == set(result.entry)


def test_a_quantised_graph_is_optimised_too(bench: Bench) -> None:
    quantised = Quantize.model_validate(
        {"mode": "Static", "calibration": {"dataset": "calib"}, "format": "QDQ"}
    ).apply(bench.graph(), bench.context())

    result = optimised(bench, quantised)

    assert "QLinearConv" in {node.op_type for node in onnx.load(result.main).graph.node}


OTHERS = {
    "another CPU": Runtime("ONNXRuntime", frozenset({"sve512"}), pinned=True),
    "a CPU with less": Runtime("ONNXRuntime", frozenset(), pinned=True),
    "a CPU that nobody names": Runtime("ONNXRuntime", instruction_sets()),
}


@pytest.mark.parametrize("runtime", OTHERS.values(), ids=OTHERS)
def test_it_is_laid_out_for_no_other_cpu_than_this_one(bench: Bench, runtime: Runtime) -> None:
    with pytest.raises(InvalidSpec) as refusal:
        optimised(bench, level="All", runtime=runtime)

    assert all(feature in refusal.value.message for feature in instruction_sets())


def test_it_is_for_onnx_runtime_alone() -> None:
    with pytest.raises(InvalidSpec):
        Optimize().require((Runtime("ONNXRuntime"), Runtime("TensorRTRTX")))


def test_other_outputs_are_noticed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = optimising.write

    def careless(artifact: Artifact, *args: Any) -> Any:
        file = honest(artifact, *args)
        model = onnx.load(file)
        for tensor in model.graph.initializer:
            if tensor.name == "first.bias":
                tensor.CopyFrom(onnx.numpy_helper.from_array(np.ones(8, np.float32), tensor.name))
        onnx.save_model(model, str(file))
        return file

    monkeypatch.setattr(optimising, "write", careless)

    with pytest.raises(Internal) as refusal:
        optimised(bench, level="Basic")

    assert refusal.value.reason is Reason.CONVERSION_MISMATCH
