"""Simplifying graphs."""

import numpy as np
import onnx
import onnxslim
import pytest
from onnx import helper, numpy_helper

from lathe_steps.errors import Internal
from lathe_steps.reasons import Reason
from lathe_steps.simplify import Simplify
from tests.step_runs import Bench, run

pytestmark = pytest.mark.toolchain

IMAGES = np.random.default_rng(0).normal(size=(5, 1, 8, 8)).astype(np.float32)


def wasteful(bench: Bench) -> onnx.ModelProto:
    """A graph with an identity and an addition of two constants."""
    model = onnx.load(bench.graph().main)
    half = numpy_helper.from_array(np.full(10, 0.5, np.float32), "half")
    model.graph.initializer.append(half)
    model.graph.node[-1].output[0] = "product"
    model.graph.node.extend(
        [
            helper.make_node("Identity", ["product"], ["same"]),
            helper.make_node("Add", ["half", "half"], ["one"]),
            helper.make_node("Add", ["same", "one"], ["scores"]),
        ]
    )
    return model


def test_fewer_nodes_compute_the_same(bench: Bench) -> None:
    artifact = bench.graph()
    onnx.save_model(wasteful(bench), str(artifact.main))
    expected = run(artifact, {"x": IMAGES})["scores"]

    simple = Simplify().apply(artifact, bench.context())

    assert float(simple.facts["nodes"]) < float(simple.facts["nodes_before"])
    assert np.allclose(run(simple, {"x": IMAGES})["scores"], expected, rtol=1e-4, atol=1e-5)
    names = [node.name for node in onnx.load(simple.main).graph.node]
    assert len(set(names)) == len(names)
    assert all(names)


def test_other_outputs_are_noticed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = onnxslim.slim

    def careless(model: onnx.ModelProto) -> onnx.ModelProto:
        slim: onnx.ModelProto = honest(model)
        del slim.graph.node[:]
        slim.graph.node.extend(n for n in model.graph.node if n.op_type != "Relu")
        for node in slim.graph.node:
            node.input[:] = ["a" if name == "b" else name for name in node.input]
        return slim

    monkeypatch.setattr(onnxslim, "slim", careless)

    with pytest.raises(Internal) as refusal:
        Simplify().apply(bench.graph(), bench.context())

    assert refusal.value.reason is Reason.CONVERSION_MISMATCH


def test_a_graph_that_it_fails_on_is_unsupported(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_: onnx.ModelProto) -> onnx.ModelProto:
        raise AttributeError("no such thing")

    monkeypatch.setattr(onnxslim, "slim", failing)

    with pytest.raises(Internal) as refusal:
        Simplify().apply(bench.graph(), bench.context())

    assert refusal.value.reason is Reason.UNSUPPORTED_MODEL
