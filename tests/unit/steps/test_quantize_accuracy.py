"""Quantising with a goal: what rounding harms most stays in floating point, within a budget."""

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from lathe_steps.base import Artifact
from lathe_steps.evidence import Candidates, Sensitivity
from lathe_steps.quantize import Quantize
from lathe_steps.toolchains.graphs.answering import answer_of, in_turns
from lathe_steps.toolchains.onnx_runtime import Session
from tests.step_runs import Bench, Samples, X

pytestmark = pytest.mark.toolchain

COARSE = np.random.default_rng(0).normal(scale=5, size=(64, 1, 2, 2)).astype(np.float32)
IMAGES = COARSE.repeat(4, axis=2).repeat(4, axis=3)
FAULT = 30_000.0


@pytest.fixture
def bench(bench: Bench) -> Bench:
    bench.datasets = {name: Samples(name, {"x": IMAGES}) for name in ("calib", "tune")}
    return bench


def planted(bench: Bench) -> Artifact:
    """One channel between the convolutions is 30,000 times as large, undone by the second."""
    artifact = bench.graph()
    model = onnx.load(artifact.main)
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor).copy()
        if tensor.name.startswith("first"):
            values[3] *= FAULT
        elif tensor.name.startswith("second"):
            values[:, 3] /= FAULT
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    onnx.save_model(model, str(artifact.main))
    return artifact


def quantised(bench: Bench, artifact: Artifact, **asked: Any) -> Artifact:
    step = Quantize.model_validate(
        {
            "mode": "Static",
            "calibration": {"dataset": "calib"},
            "equalize": "Never",
            **asked,
        }
    )
    return step.apply(artifact, bench.context())


def goal(max_drop: float = 0.05, **fields: Any) -> dict[str, Any]:
    return {"dataset": "tune", "maxDrop": max_drop, **fields}


def searched(result: Artifact) -> Candidates:
    (found,) = [each for each in result.evidence if isinstance(each, Candidates)]
    return found


def test_a_planted_fault_is_cured_by_leaving_both_of_its_layers_alone(bench: Bench) -> None:
    artifact = planted(bench)

    result = quantised(bench, artifact, accuracy=goal())

    assert result.facts["accuracy_goal"] == "met"
    assert float(result.facts["evaluations"]) <= 10
    names = {node.name: node.op_type for node in onnx.load(result.main).graph.node}
    assert (names["first"], names["second"]) == ("Conv", "Conv")
    assert names["last_quant"].startswith("QLinear")
    told = str(result.facts["left_in_floating_point"])
    assert "first" in told
    assert "second" in told


def test_equalised_it_needs_one_evaluation_and_nothing_in_floating_point(bench: Bench) -> None:
    result = quantised(bench, planted(bench), equalize="Auto", accuracy=goal())

    assert result.facts["evaluations"] == 1
    assert result.facts["floating_nodes"] == 0
    assert result.facts["equalised"] == "first with second"


def test_the_search_is_there_to_look_at(bench: Bench) -> None:
    result = quantised(bench, planted(bench), accuracy=goal())

    found = searched(result)
    assert (found.metric, found.samples) == ("Agreement", 64)
    assert found.considered[0].quality < found.considered[found.chosen].quality
    assert all(each.bytes > 0 for each in found.considered)
    (ranking,) = [each for each in result.evidence if isinstance(each, Sensitivity)]
    assert ranking.layers[0].name == "output of first"


def test_a_good_result_is_not_searched_any_further(bench: Bench) -> None:
    result = quantised(bench, bench.graph(), accuracy=goal(0.2))

    assert result.facts["evaluations"] == 1
    assert [each.kind for each in result.evidence] == ["Candidates"]


NO_SEARCH: dict[str, dict[str, Any]] = {
    "no strategy": {"strategy": "None"},
    "a budget of one evaluation": {"budget": {"evaluations": 1}},
}


@pytest.mark.parametrize("fields", NO_SEARCH.values(), ids=NO_SEARCH)
def test_with(bench: Bench, fields: dict[str, Any]) -> None:
    result = quantised(bench, planted(bench), accuracy=goal(**fields))

    assert str(result.facts["accuracy_goal"]).startswith("missed")
    assert result.facts["evaluations"] == 1


def test_what_cannot_be_reached_gives_the_best_there_was(bench: Bench) -> None:
    bench.datasets = {
        "calib": Samples("calib", {"x": IMAGES}),
        "tune": Samples("tune", {"x": IMAGES}, np.arange(64) % 10),
    }
    artifact = bench.graph()
    right = Session(artifact, 1).run({"x": IMAGES})["scores"].argmax(1)
    bench.datasets["tune"] = Samples("tune", {"x": IMAGES}, right)
    # nothing of it may change, although all its scores are close
    result = quantised(bench, planted(bench), accuracy=goal(0.0, budget={"evaluations": 3}))

    found = searched(result)
    best = max(each.quality for each in found.considered)
    assert found.considered[found.chosen].quality == best
    assert result.facts["accuracy_after"] == best
    assert len(found.considered) <= 3


def test_a_batch_of_fixed_size_is_judged_too(bench: Bench) -> None:
    result = quantised(bench, bench.graph(batch=5), accuracy=goal(0.3))

    assert result.facts["accuracy_samples"] == 64


def test_a_model_of_a_fixed_batch_answers_any_number(bench: Bench) -> None:
    fixed = answer_of(Session(bench.graph(batch=5), 1))
    free = answer_of(Session(bench.graph(), 1))

    np.testing.assert_allclose(fixed({"x": IMAGES[:7]}), free({"x": IMAGES[:7]}), rtol=1e-5)


def test_answers_come_in_order() -> None:
    answer = in_turns((X,), lambda feed: feed["x"][:, 0, 0])

    np.testing.assert_array_equal(answer({"x": IMAGES}), IMAGES[:, 0, 0])


def test_dynamic_goals_rank_weights_alone(bench: Bench) -> None:
    from lathe_steps.export import Export

    artifact = Export().apply(bench.network("lathe.mlp"), bench.context())

    result = quantised(
        bench,
        artifact,
        mode="Dynamic",
        calibration=None,
        accuracy=goal(0.0, budget={"evaluations": 4}),
    )

    assert 1 <= float(result.facts["evaluations"]) <= 4
    assert searched(result).metric == "Agreement"
