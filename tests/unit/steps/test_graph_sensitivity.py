"""Which layers of a graph matter, and that quantising heeds it."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from lathe_steps.base import Artifact
from lathe_steps.errors import Internal, InvalidSpec
from lathe_steps.evidence import LayerEffect, Sensitivity
from lathe_steps.export import Export
from lathe_steps.quantize import Quantize
from lathe_steps.simplify import Simplify
from lathe_steps.toolchains import sensitivity_map
from lathe_steps.toolchains.graphs import sensitivity
from tests.step_runs import Bench, Samples
from tests.unit.steps.test_quantize_accuracy import IMAGES, planted

pytestmark = pytest.mark.toolchain


@pytest.fixture
def bench(bench: Bench) -> Bench:
    bench.datasets = {name: Samples(name, {"x": IMAGES}) for name in ("calib", "tune")}
    return bench


def ranked(bench: Bench, artifact: Artifact) -> Sensitivity:
    return sensitivity.rank(
        artifact,
        bench.datasets["tune"],
        40,
        calibration=bench.datasets["calib"],
        threads=1,
        progress=bench.context().progress,
    )


def test_the_layer_behind_a_planted_fault_matters_most(bench: Bench) -> None:
    found = ranked(bench, planted(bench))

    assert found.layers[0].name == "second"
    assert found.layers[0].drop > 0.05
    assert {each.name for each in found.layers} == {"first", "second", "last"}
    assert (found.change, found.metric, found.samples) == ("8 bits", "Agreement", 40)


def test_progress_names_each_layer(bench: Bench) -> None:
    ranked(bench, bench.graph())

    shares = [share for share, _ in bench.told]
    assert shares == sorted(shares)
    assert {m for _, m in bench.told} >= {f"rounding {n}" for n in ("first", "second", "last")}


def test_a_graph_without_layers_has_no_ranking(bench: Bench) -> None:
    artifact = bench.graph()
    model = onnx.load(artifact.main)
    del model.graph.node[2:]
    del model.graph.node[0]
    model.graph.node[0].input[0] = "x"
    model.graph.output[0].CopyFrom(
        onnx.helper.make_tensor_value_info("b", onnx.TensorProto.FLOAT, ["batch", 1, 8, 8])
    )
    onnx.save_model(model, str(artifact.main))

    with pytest.raises(Internal):
        ranked(bench, artifact)


def quantised(bench: Bench, artifact: Artifact, **asked: object) -> Artifact:
    step = {"mode": "Static", "calibration": {"dataset": "calib"}, "equalize": "Never", **asked}
    return Quantize.model_validate(step).apply(artifact, bench.context())


GOAL = {"dataset": "tune", "maxDrop": 0.05}


def test_a_map_that_was_made_before_is_where_the_search_begins(bench: Bench) -> None:
    artifact = planted(bench)
    said = Sensitivity("8 bits", "Top1", 40, (LayerEffect("last", 0.2), LayerEffect("first", 0)))
    (artifact.path / sensitivity_map.FILE).write_text(json.dumps(asdict(said)))

    result = quantised(bench, artifact, accuracy={**GOAL, "budget": {"evaluations": 2}})

    (found,) = [each for each in result.evidence if each.kind == "Candidates"]
    assert found.considered[1].name.startswith("last")
    assert set(result.entry) == {file.name for file in result.path.iterdir()}


def test_a_map_that_is_none_is_refused(bench: Bench) -> None:
    artifact = planted(bench)
    (artifact.path / sensitivity_map.FILE).write_text("[]")

    with pytest.raises(Internal):
        quantised(bench, artifact, accuracy=GOAL)


def learned(artifact: Artifact, **ranges: tuple[float, float]) -> None:
    said = {layer: {"low": low, "high": high} for layer, (low, high) in ranges.items()}
    (artifact.path / "ranges.json").write_text(json.dumps(said))


def scales(result: Artifact) -> dict[str, float]:
    tensors = onnx.load(result.main).graph.initializer
    return {
        t.name: float(onnx.numpy_helper.to_array(t).ravel()[0])
        for t in tensors
        if "scale" in t.name
    }


def test_learned_ranges_take_the_place_of_calibrated_ones(bench: Bench) -> None:
    artifact = bench.graph()
    learned(artifact, second=(0.0, 3.0))

    result = quantised(bench, artifact)

    assert scales(result)["a_scale"] == pytest.approx(3 / 255)  # of what is before the ReLU, too
    assert result.facts["learned_ranges"] == 1
    assert set(result.entry) == {file.name for file in result.path.iterdir()}


def test_a_learned_range_of_a_layer_that_is_gone_is_not_lost_silently(bench: Bench) -> None:
    artifact = bench.graph()
    learned(artifact, third=(0.0, 3.0))

    with pytest.raises(Internal) as refusal:
        quantised(bench, artifact)

    assert "third" in refusal.value.message


def test_learned_ranges_are_for_static_alone(bench: Bench) -> None:
    artifact = bench.graph()
    learned(artifact, last=(0.0, 3.0))

    with pytest.raises(InvalidSpec):
        quantised(bench, artifact, mode="Dynamic", calibration=None)


def test_notes_go_along_with_a_model_that_is_exported_and_simplified(bench: Bench) -> None:
    network = bench.network()
    learned(network, classifier=(0.0, 3.0))

    exported = Export().apply(network, bench.context())
    simple = Simplify().apply(exported, bench.context())
    bench.datasets = {"calib": Samples("calib", {"x": np.abs(IMAGES)})}
    result = quantised(bench, replace(simple, path=Path(simple.path)))

    assert result.facts["learned_ranges"] == 1
