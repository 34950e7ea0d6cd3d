"""Runs of every task with real toolchains: what is measured, and what is published of it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lathe_api.outcome import LIMIT, Outcome
from lathe_api.plan import plan_of
from lathe_api.v1alpha1.evaluation import Metric
from lathe_steps.reasons import ExitCode, Reason
from lathe_worker.local_store import LocalStore
from lathe_worker.pipeline import run
from lathe_worker.progress import NoReporter
from lathe_worker.settings import WorkerSettings
from tests.builders import DYNAMIC, SIMPLIFY, ResourceBuilder, a_resource

pytestmark = pytest.mark.toolchain

WIDTH = 64
CHANCE = np.random.default_rng(0)
SPEED = {"threads": 1, "seconds": 0.2}


def storage(folder: Path, weights: np.ndarray, labels: np.ndarray, inputs: np.ndarray) -> Path:
    """A linear model in `folder`, and samples with labels to measure it on."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    (folder / "models").mkdir(parents=True)
    middle = ["t"] * (inputs.ndim - 2)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *middle, WIDTH])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", *middle, weights.shape[1]])],
        [numpy_helper.from_array(weights.astype(np.float32), "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, folder / "models" / "linear.onnx")
    np.savez(folder / "models" / "val.npz", x=inputs.astype(np.float32), labels=labels)
    return folder


def resource(**evaluation: Any) -> ResourceBuilder:
    return (
        a_resource()
        .with_(
            model={"uri": "s3://models/linear.onnx", "format": "ONNX"},
            datasets=[
                {
                    "name": "val",
                    "uri": "s3://models/val.npz",
                    "format": "NPZ",
                    "inputs": {"x": "x"},
                    "labels": "labels",
                }
            ],
            evaluation={"dataset": "val", "latency": SPEED, **evaluation},
            output={"uri": "s3://artifacts/linear/"},
        )
        .steps(SIMPLIFY, DYNAMIC)
    )


def outcome(root: Path, wanted: ResourceBuilder) -> Outcome:
    return run(
        plan_of(wanted.parsed(), namespace="team", name="linear"),
        store=LocalStore(root),
        root=root / "workspace",
        reporter=NoReporter(),
        settings=WorkerSettings(threads=1),
    )


def regression(folder: Path) -> Path:
    inputs, weights = CHANCE.normal(size=(600, WIDTH)), CHANCE.normal(size=(WIDTH, 1))
    labels = (inputs @ weights)[:, 0] + CHANCE.normal(size=600)
    return storage(folder, weights, labels.astype(np.float32), inputs)


def tokens(folder: Path) -> Path:
    inputs, weights = CHANCE.normal(size=(300, 7, WIDTH)), CHANCE.normal(size=(WIDTH, 5))
    labels = (inputs @ weights).argmax(axis=-1)
    labels[:, 5:] = -100
    return storage(folder, weights, labels, inputs)


def test_a_regression_is_judged_by_its_errors(tmp_path: Path) -> None:
    gates = [{"metric": "RMSE", "maxRise": 0.2}, {"metric": "MAE", "maxRatio": 1.2}]
    everything = [metric.value for metric in Metric if metric not in CLASSES]

    found = outcome(regression(tmp_path), resource(metrics=everything, gates=gates))

    assert (found.exit_code, found.gates) == (ExitCode.OK, Reason.ALL_GATES_PASSED)
    assert [metric.name for metric in found.metrics] == everything
    rmse = next(metric for metric in found.metrics if metric.name is Metric.RMSE)
    assert rmse.input == pytest.approx(1, abs=0.2)
    assert len(found.termination_message().encode()) <= LIMIT


CLASSES = {Metric.TOP1, Metric.TOP5, Metric.F1, Metric.ARGMAX_AGREEMENT}


def test_tokens_are_judged_where_they_have_labels(tmp_path: Path) -> None:
    gates = [{"metric": "F1", "maxDrop": 0.1}, {"metric": "Top1", "min": 0.9}]

    found = outcome(tokens(tmp_path), resource(metrics=["Top1", "F1", "Cosine"], gates=gates))

    assert (found.exit_code, found.gates) == (ExitCode.OK, Reason.ALL_GATES_PASSED)
    assert [metric.input for metric in found.metrics] == [1, 1, 1]
    assert {metric.samples for metric in found.metrics} == {300}


def test_a_step_that_asked_too_much_is_taken_back(tmp_path: Path) -> None:
    import onnx

    exact = {"metric": "Cosine", "maxDrop": 1e-9}
    root = tokens(tmp_path)

    found = outcome(root, resource(metrics=["Cosine"], gates=[exact], onFailure="Rollback"))

    assert (found.exit_code, found.gates) == (ExitCode.OK, Reason.ROLLED_BACK)
    (artifact,) = found.artifacts
    published = root / "artifacts" / artifact.uri.removeprefix("s3://artifacts/")
    kinds = {node.op_type for node in onnx.load(published).graph.node}
    assert kinds == {"MatMul"}
