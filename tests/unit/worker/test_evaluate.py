"""What is measured on small models whose answers are known beforehand."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lathe_api.v1alpha1.evaluation import Evaluation, Metric
from lathe_api.v1alpha1.status import MetricStatus
from lathe_steps.base import Artifact, Format
from lathe_steps.errors import BadInput, InvalidSpec
from lathe_steps.reasons import Reason
from lathe_worker.comparison import Comparison
from lathe_worker.evaluate import measure
from lathe_worker.measured import Candidate, Measured, Passed
from tests.step_runs import Samples

pytestmark = pytest.mark.toolchain

CLASSES = 4
SAMPLES = 70  # more than two batches
QUICK = {"seconds": 0.1}


def linear(folder: Path, weights: np.ndarray, *, batch: int | str = "n", axes: int = 1) -> Artifact:
    """A model that gives x @ weights, for x of shape [batch, (…,) classes]."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    folder.mkdir()
    middle = [3] * (axes - 1)
    shape = [batch, *middle, CLASSES]
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "w"], ["scores"]),
            helper.make_node("Neg", ["scores"], ["rest"]),
        ],
        "linear",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [
            helper.make_tensor_value_info(
                "scores", TensorProto.FLOAT, [batch, *middle, weights.shape[1]]
            ),
            helper.make_tensor_value_info(
                "rest", TensorProto.FLOAT, [batch, *middle, weights.shape[1]]
            ),
        ],
        [numpy_helper.from_array(weights.astype(np.float32), "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, folder / "model.onnx")
    return Artifact(Format.ONNX, folder, ("model.onnx",))


RIGHT = np.eye(CLASSES)


def dataset(*, labels: bool = True, axes: int = 1) -> Samples:
    """Samples whose class is where their one is; the label says so."""
    classes = np.arange(SAMPLES) % CLASSES
    samples = np.eye(CLASSES, dtype=np.float32)[classes]
    if axes > 1:
        samples = np.repeat(samples[:, None], 3, axis=1)
    return Samples("val", {"x": samples}, classes if labels else None)


def compared(
    baseline: Artifact, result: Artifact, data: Samples | None = None, **evaluation: Any
) -> Measured:
    run = Comparison(
        Evaluation(**{"dataset": "val", "latency": QUICK, **evaluation}),
        source=baseline,
        baseline=baseline,
        candidates=(Candidate("cpu", result, result, executed=True),),
        dataset=data or dataset(),
        threads=1,
    )
    return measure(run, lambda _done, _what: None)


def only(found: Measured) -> MetricStatus:
    (metric,) = found.metrics
    return metric


def test_a_result_that_forgot_a_class_loses_its_share(tmp_path: Path) -> None:
    forgetful = RIGHT.copy()
    forgetful[3] = [9, 0, 0, 0]

    found = only(
        compared(linear(tmp_path / "a", RIGHT), linear(tmp_path / "b", forgetful), metrics=["Top1"])
    )

    lost = len(range(3, SAMPLES, CLASSES)) / SAMPLES
    assert (found.input, found.output, found.delta) == pytest.approx((1, 1 - lost, -lost))
    assert (found.low or 0) < -lost < (found.high or 0) < 0


def test_agreement_needs_no_labels(tmp_path: Path) -> None:
    found = only(
        compared(
            linear(tmp_path / "a", RIGHT),
            linear(tmp_path / "b", RIGHT[:, ::-1]),
            dataset(labels=False),
            metrics=["ArgmaxAgreement"],
        )
    )

    assert (found.input, found.output) == (1, 0)


def test_a_fixed_batch_is_filled_up_and_every_sample_counts_once(tmp_path: Path) -> None:
    found = only(
        compared(
            linear(tmp_path / "a", RIGHT, batch=16),
            linear(tmp_path / "b", RIGHT, batch=16),
            metrics=["Top1"],
        )
    )

    assert (found.output, found.samples) == (1, SAMPLES)


def test_scores_at_several_places_of_a_sample_agree_in_part(tmp_path: Path) -> None:
    found = only(
        compared(
            linear(tmp_path / "a", RIGHT, axes=2),
            linear(tmp_path / "b", RIGHT, axes=2),
            dataset(axes=2),
            metrics=["ArgmaxAgreement"],
        )
    )

    assert (found.output, found.samples) == (1, SAMPLES)


def test_a_result_that_gives_no_numbers_is_never_right(tmp_path: Path) -> None:
    broken = np.full((CLASSES, CLASSES), np.nan)

    found = compared(
        linear(tmp_path / "a", broken),
        linear(tmp_path / "b", broken),
        metrics=["Top1", "ArgmaxAgreement"],
    )

    assert [metric.output for metric in found.metrics] == [0, 0]


def test_another_output_is_measured_when_it_is_named(tmp_path: Path) -> None:
    found = only(
        compared(
            linear(tmp_path / "a", -RIGHT),
            linear(tmp_path / "b", -RIGHT),
            metrics=["Top1"],
            output="rest",
        )
    )

    assert found.output == 1


def test_metrics_of_gates_are_measured_too(tmp_path: Path) -> None:
    found = compared(
        linear(tmp_path / "a", RIGHT),
        linear(tmp_path / "b", RIGHT),
        metrics=["Params"],
        gates=[{"metric": "SizeBytes", "maxRatio": 1}],
    )

    assert [metric.name for metric in found.metrics] == [Metric.PARAMS, Metric.SIZE_BYTES]
    assert [metric.ratio for metric in found.metrics] == [1, 1]


def test_single_calls_are_timed_in_turns(tmp_path: Path) -> None:
    found = only(
        compared(
            linear(tmp_path / "a", RIGHT), linear(tmp_path / "b", RIGHT), metrics=["LatencyP50"]
        )
    )

    assert (found.samples or 0) >= 25
    assert (found.low or 0) <= (found.ratio or 0) <= (found.high or 0)


def test_an_engine_has_the_quality_of_its_graph_and_the_size_of_its_file(tmp_path: Path) -> None:
    graph = linear(tmp_path / "graph", RIGHT)
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine" / "model.engine").write_bytes(b"x" * 100)
    engine = Artifact(Format.ENGINE, tmp_path / "engine", ("model.engine",))

    run = Comparison(
        Evaluation(dataset="val", metrics=("Top1", "SizeBytes", "Params", "LatencyP50")),
        source=graph,
        baseline=graph,
        candidates=(Candidate("rtx", graph, engine, executed=False),),
        dataset=dataset(),
        threads=1,
    )
    found = measure(run, lambda _done, _what: None)

    by_name = {metric.name: metric.output for metric in found.metrics}
    assert by_name == {Metric.TOP1: 1, Metric.SIZE_BYTES: 100, Metric.PARAMS: CLASSES**2}


REFUSED = {
    "an output that the model does not have": (InvalidSpec, {"output": "logits"}),
    "labels of classes that the model does not have": (
        BadInput,
        {"data": Samples("val", dataset().inputs, np.arange(SAMPLES))},
    ),
    "no labels": (BadInput, {"data": dataset(labels=False)}),
}


@pytest.mark.parametrize(("expected", "given"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_measured_is_refused(
    expected: type[Exception], given: dict[str, Any], tmp_path: Path
) -> None:
    model = linear(tmp_path / "a", RIGHT)

    with pytest.raises(expected):
        compared(model, model, metrics=["Top1"], **given)


SHAPES = {
    "one score per sample": (linear, {"weights": np.ones((CLASSES, 1))}, 1),
    "several answers per sample, for Top1": (linear, {"weights": RIGHT, "axes": 2}, 2),
}


@pytest.mark.parametrize(("make", "given", "axes"), SHAPES.values(), ids=SHAPES)
def test_an_output_that_holds_no_scores_is_refused(
    make: Any, given: dict[str, Any], axes: int, tmp_path: Path
) -> None:
    model = make(tmp_path / "a", **given)

    with pytest.raises(BadInput) as stopped:
        compared(model, model, dataset(axes=axes), metrics=["Top1"])

    assert stopped.value.reason is Reason.SHAPE_MISMATCH


def test_progress_goes_from_nothing_to_everything(tmp_path: Path) -> None:
    model = linear(tmp_path / "a", RIGHT)
    seen: list[float] = []

    run = Comparison(
        Evaluation(dataset="val", metrics=("Top1",)),
        source=model,
        baseline=model,
        candidates=(Candidate("cpu", model, model, executed=True),),
        dataset=dataset(),
        threads=1,
    )
    measure(run, lambda done, _what: seen.append(done))

    assert seen == sorted(seen)
    assert 0 < seen[0] < seen[-1] <= 1


def test_everything_about_speed_is_measured_beside_the_input_model(tmp_path: Path) -> None:
    model = linear(tmp_path / "a", RIGHT)
    wanted = ["LatencyP50", "LatencyP95", "LatencyP99", "CPUTime", "Throughput"]

    found = compared(model, model, metrics=wanted)

    assert [metric.name for metric in found.metrics] == wanted
    by_name = {metric.name: metric for metric in found.metrics}
    assert (by_name[Metric.LATENCY_P99].samples or 0) >= 370
    for metric in found.metrics:
        assert (metric.low or 0) <= (metric.ratio or 0) <= (metric.high or 0)
    assert found.timing is not None
    assert (found.timing.threads, found.timing.batch, len(found.timing.cpus)) == (1, 1, 1)


def test_throughput_counts_samples_not_calls(tmp_path: Path) -> None:
    model = linear(tmp_path / "a", RIGHT)

    one = only(compared(model, model, metrics=["Throughput"], throughput={"batch": 1}))
    many = only(compared(model, model, metrics=["Throughput"], throughput={"batch": 256}))

    assert many.output > 10 * one.output


def test_a_model_of_a_fixed_batch_is_timed_with_that(tmp_path: Path) -> None:
    model = linear(tmp_path / "a", RIGHT, batch=16)

    found = compared(model, model, metrics=["LatencyP50"])

    assert found.timing is not None
    assert found.timing.batch == 16


def test_calls_have_the_threads_and_samples_that_are_asked_for(tmp_path: Path) -> None:
    model = linear(tmp_path / "a", RIGHT)

    found = compared(model, model, metrics=["CPUTime"], latency={"threads": 2, "batch": 8})

    assert found.timing is not None
    assert (found.timing.threads, found.timing.batch) == (2, 8)


def test_multiplications_and_memory_are_measured_beside_the_input_model(tmp_path: Path) -> None:
    model = linear(tmp_path / "a", RIGHT)

    found = compared(model, model, metrics=["MACs", "PeakMemory"])

    macs, memory = found.metrics
    assert (macs.input, macs.output, macs.ratio) == (CLASSES**2, CLASSES**2, 1)
    assert min(memory.input, memory.output) > 0


class TestPath:
    def found(self, passed: tuple[Passed, ...], model: Artifact, **evaluation: Any) -> Measured:
        run = Comparison(
            Evaluation(**{"dataset": "val", "metrics": ["SizeBytes", "Top1"], **evaluation}),
            source=model,
            baseline=model,
            candidates=(Candidate("cpu", model, model, executed=True),),
            dataset=dataset(),
            threads=1,
            path=passed,
        )
        return measure(run, lambda _done, _what: None)

    def test_each_step_has_its_size_quality_and_latency(self, tmp_path: Path) -> None:
        model, worse = linear(tmp_path / "a", RIGHT), linear(tmp_path / "b", RIGHT[:, ::-1])
        path = (
            Passed("halve", 100, worse, clocked=True),
            Passed("recover", 200, model, clocked=False),
            Passed("rtx/buildEngine", 50, None, clocked=False),
        )

        found = self.found(path, model)

        told = {it.step: {metric.name: metric.output for metric in it.metrics} for it in found.path}
        assert list(told) == ["halve", "recover", "rtx/buildEngine"]
        assert told["halve"].keys() == {"SizeBytes", "Params", "Top1", "LatencyP50"}
        assert (told["halve"][Metric.TOP1], told["recover"][Metric.TOP1]) == (0, 1)
        assert Metric.LATENCY_P50 not in told["recover"]
        assert told["rtx/buildEngine"] == {"SizeBytes": 50}

    def test_what_cannot_be_run_is_left_out(self, tmp_path: Path) -> None:
        model = linear(tmp_path / "a", RIGHT)
        (tmp_path / "broken").mkdir()
        (tmp_path / "broken" / "model.onnx").write_bytes(b"nothing of this kind")
        broken = Artifact(Format.ONNX, tmp_path / "broken", ("model.onnx",))
        path = (
            Passed("halve", 100, broken, clocked=True),
            Passed("recover", 200, model, clocked=True),
        )

        assert [it.step for it in self.found(path, model).path] == ["recover"]

    @pytest.mark.parametrize(
        ("expected", "path"),
        [
            pytest.param([], "Skip", id="nothing"),
            pytest.param(["SizeBytes", "Params", "Top1"], "Quality", id="no times"),
        ],
    )
    def test_less_is_measured_where_less_is_asked_for(
        self, expected: list[str], path: str, tmp_path: Path
    ) -> None:
        model = linear(tmp_path / "a", RIGHT)

        found = self.found((Passed("halve", 100, model, clocked=True),), model, path=path)

        assert expected == [metric.name for it in found.path for metric in it.metrics]
