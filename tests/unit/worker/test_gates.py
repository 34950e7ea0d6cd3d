"""Which results pass, which fail, and which cannot be told from what was measured."""

from typing import Any

import pytest

from lathe_api.v1alpha1.evaluation import Evaluation, Gate, Metric
from lathe_api.v1alpha1.status import MetricStatus
from lathe_steps.reasons import Reason
from lathe_worker.gates import Verdict, judge
from lathe_worker.measured import Measured, Timing


def measured(*metrics: MetricStatus) -> Measured:
    return Measured(dataset="val", samples=1000, metrics=metrics, threads=1)


def top1(drop: float, low: float, high: float, target: str = "cpu") -> MetricStatus:
    """A drop of Top1, with the interval of the drop."""
    return MetricStatus(
        name=Metric.TOP1,
        target=target,
        input=0.95,
        output=0.95 - drop,
        delta=-drop,
        low=-high,
        high=-low,
        samples=1000,
    )


def size(ratio: float, target: str = "cpu") -> MetricStatus:
    return MetricStatus(
        name=Metric.SIZE_BYTES, target=target, input=1000, output=1000 * ratio, ratio=ratio
    )


def latency(ratio: float, target: str = "cpu") -> MetricStatus:
    return MetricStatus(
        name=Metric.LATENCY_P50,
        target=target,
        input=10,
        output=10 * ratio,
        ratio=ratio,
        low=0.9 * ratio,
        high=1.1 * ratio,
        samples=50,
    )


def verdict(gate: dict[str, Any], *metrics: MetricStatus, **rest: Any) -> Verdict:
    evaluation = Evaluation(dataset="val", gates=(Gate.model_validate(gate),), **rest)
    return judge(evaluation, measured(*metrics))


def error(rise: float, low: float, high: float) -> MetricStatus:
    """A rise of the mean absolute error from 2, with its interval."""
    return MetricStatus(
        name=Metric.MAE,
        target="cpu",
        input=2.0,
        output=2.0 + rise,
        delta=rise,
        low=low,
        high=high,
        samples=1000,
    )


def throughput(ratio: float) -> MetricStatus:
    return MetricStatus(
        name=Metric.THROUGHPUT,
        target="cpu",
        input=100,
        output=100 * ratio,
        ratio=ratio,
        low=0.9 * ratio,
        high=1.1 * ratio,
        samples=50,
    )


PASSED = Reason.ALL_GATES_PASSED
TOP1 = {"metric": "Top1", "maxDrop": 0.01}

DECISIONS = {
    "a drop whose whole interval is allowed": (PASSED, TOP1, top1(0.002, -0.003, 0.007)),
    "a drop beyond the limit": (
        Reason.ACCURACY_BELOW_THRESHOLD,
        TOP1,
        top1(0.02, 0.015, 0.025),
    ),
    "a drop beyond the limit, however unsure": (
        Reason.ACCURACY_BELOW_THRESHOLD,
        TOP1,
        top1(0.02, -0.02, 0.06),
    ),
    "no drop at all, on samples that could not tell": (
        Reason.INSUFFICIENT_SAMPLES,
        TOP1,
        top1(0.0, -0.015, 0.015),
    ),
    "a drop near the limit, measured finely enough": (PASSED, TOP1, top1(0.008, 0.004, 0.012)),
    "a rise": (PASSED, TOP1, top1(-0.01, -0.02, 0.0)),
    "a drop of exactly the limit": (PASSED, TOP1, top1(0.01, 0.008, 0.012)),
    "nothing lost where nothing may be": (
        PASSED,
        {"metric": "Top1", "maxDrop": 0},
        top1(0.0, -0.004, 0.004),
    ),
    "one sample lost where nothing may be": (
        Reason.ACCURACY_BELOW_THRESHOLD,
        {"metric": "Top1", "maxDrop": 0},
        top1(0.001, -0.004, 0.006),
    ),
    "a size within its ratio": (PASSED, {"metric": "SizeBytes", "maxRatio": 0.5}, size(0.5)),
    "a size beyond its ratio": (
        Reason.SIZE_ABOVE_THRESHOLD,
        {"metric": "SizeBytes", "maxRatio": 0.5},
        size(0.51),
    ),
    "twice as fast where twice is asked for": (
        PASSED,
        {"metric": "LatencyP50", "minSpeedup": 2},
        latency(0.5),
    ),
    "not quite twice as fast": (
        Reason.LATENCY_ABOVE_THRESHOLD,
        {"metric": "LatencyP50", "minSpeedup": 2},
        latency(0.51),
    ),
    "a latency beyond its ratio": (
        Reason.LATENCY_ABOVE_THRESHOLD,
        {"metric": "LatencyP50", "maxRatio": 0.8},
        latency(0.9),
    ),
    "a rise of an error within the limit": (
        PASSED,
        {"metric": "MAE", "maxRise": 0.1},
        error(0.05, 0.02, 0.08),
    ),
    "a rise of an error beyond it": (
        Reason.ACCURACY_BELOW_THRESHOLD,
        {"metric": "MAE", "maxRise": 0.1},
        error(0.11, 0.1, 0.12),
    ),
    "an error that fell": (PASSED, {"metric": "MAE", "maxRise": 0}, error(-0.1, -0.3, 0.1)),
    "an error of which too few samples speak": (
        Reason.INSUFFICIENT_SAMPLES,
        {"metric": "MAE", "maxRise": 0.1},
        error(0.0, -0.2, 0.2),
    ),
    "an error within its share of the input model's": (
        PASSED,
        {"metric": "MAE", "maxRatio": 1.05},
        error(0.09, 0.08, 0.1),
    ),
    "an error beyond its share of the input model's": (
        Reason.ACCURACY_BELOW_THRESHOLD,
        {"metric": "MAE", "maxRatio": 1.05},
        error(0.11, 0.1, 0.12),
    ),
    "an error that has to fall and did not": (
        Reason.ACCURACY_BELOW_THRESHOLD,
        {"metric": "MAE", "maxRatio": 0.9},
        error(0.0, -0.1, 0.1),
    ),
    "a drop within a share of the input model's quality": (
        PASSED,
        {"metric": "Top1", "maxRelativeDrop": 0.02},
        top1(0.0189, 0.015, 0.022),
    ),
    "a drop beyond a share of it, though not beyond as many points": (
        Reason.ACCURACY_BELOW_THRESHOLD,
        {"metric": "Top1", "maxRelativeDrop": 0.02},
        top1(0.0195, 0.015, 0.022),
    ),
    "a quality that is good enough, whatever was before": (
        PASSED,
        {"metric": "Top1", "min": 0.9},
        top1(0.05, 0.03, 0.07),
    ),
    "a quality that is not good enough": (
        Reason.ACCURACY_BELOW_THRESHOLD,
        {"metric": "Top1", "min": 0.96},
        top1(0.0, -0.01, 0.01),
    ),
    "a size that is small enough": (PASSED, {"metric": "SizeBytes", "max": 500}, size(0.5)),
    "a size that is not": (
        Reason.SIZE_ABOVE_THRESHOLD,
        {"metric": "SizeBytes", "max": 499},
        size(0.5),
    ),
    "a latency that is short enough": (PASSED, {"metric": "LatencyP50", "max": 5}, latency(0.5)),
    "a latency that is not": (
        Reason.LATENCY_ABOVE_THRESHOLD,
        {"metric": "LatencyP50", "max": 4.9},
        latency(0.5),
    ),
    "twice the throughput where twice is asked for": (
        PASSED,
        {"metric": "Throughput", "minSpeedup": 2},
        throughput(2.0),
    ),
    "not quite twice the throughput": (
        Reason.LATENCY_ABOVE_THRESHOLD,
        {"metric": "Throughput", "minSpeedup": 2},
        throughput(1.99),
    ),
    "too few samples per second": (
        Reason.LATENCY_ABOVE_THRESHOLD,
        {"metric": "Throughput", "min": 201},
        throughput(2.0),
    ),
    "a drop that may be beyond the limit, where one wants to be sure": (
        Reason.ACCURACY_BELOW_THRESHOLD,
        {**TOP1, "confidence": "UpperBound"},
        top1(0.008, 0.004, 0.012),
    ),
    "a drop that is surely within": (
        PASSED,
        {**TOP1, "confidence": "UpperBound"},
        top1(0.004, 0.0, 0.008),
    ),
    "a speed that may be below the limit, where one wants to be sure": (
        Reason.LATENCY_ABOVE_THRESHOLD,
        {"metric": "LatencyP50", "minSpeedup": 1.9, "confidence": "UpperBound"},
        latency(0.5),
    ),
    "a gate on a target where its metric was not measured": (
        Reason.NOT_EVALUATED,
        {"metric": "LatencyP50", "minSpeedup": 2, "target": "rtx"},
        latency(0.1),
    ),
    "a gate whose metric was measured nowhere": (
        Reason.NOT_EVALUATED,
        {"metric": "LatencyP50", "minSpeedup": 2},
        size(0.1),
    ),
}


@pytest.mark.parametrize(("expected", "gate", "metric"), DECISIONS.values(), ids=DECISIONS)
def test_a_gate_decides(expected: Reason, gate: dict[str, Any], metric: MetricStatus) -> None:
    found = verdict(gate, metric)

    assert (expected, expected is PASSED) == (found.reason, found.passed)


def test_a_gate_without_a_target_is_about_all_where_it_was_measured() -> None:
    found = verdict({"metric": "SizeBytes", "maxRatio": 0.5}, size(0.4), size(0.6, "rtx"))

    assert [(each.target, each.passed) for each in found.results] == [("cpu", True), ("rtx", False)]


def test_a_gate_with_a_target_is_about_no_other() -> None:
    gate = {"metric": "SizeBytes", "maxRatio": 0.5, "target": "cpu"}

    assert verdict(gate, size(0.4), size(0.6, "rtx")).passed


def test_the_reason_is_that_of_the_first_gate_that_failed() -> None:
    gates = ({"metric": "SizeBytes", "maxRatio": 0.9}, TOP1, {"metric": "Top1", "maxDrop": 0.001})
    evaluation = Evaluation(dataset="val", gates=tuple(Gate.model_validate(g) for g in gates))

    found = judge(evaluation, measured(top1(0.002, -0.02, 0.024), size(0.5)))

    assert found.reason is Reason.INSUFFICIENT_SAMPLES
    assert [each.failure for each in found.results] == [
        None,
        Reason.INSUFFICIENT_SAMPLES,
        Reason.ACCURACY_BELOW_THRESHOLD,
    ]


def test_whoever_lacks_samples_is_told_how_many_would_do() -> None:
    found = verdict(TOP1, top1(0.0, -0.02, 0.02))

    assert "4000" in found.message


def test_a_warning_says_that_it_was_published_all_the_same() -> None:
    found = verdict(TOP1, top1(0.1, 0.09, 0.11), on_failure="Warn")

    assert not found.passed
    assert "onFailure: Warn" in found.message


def test_without_gates_nothing_fails() -> None:
    found = judge(Evaluation(dataset="val"), measured(size(2)))

    assert (found.passed, found.reason) == (True, Reason.NO_GATES)


def test_without_an_evaluation_nothing_is_said_to_be_good() -> None:
    found = judge(None, None)

    assert (found.passed, found.reason) == (True, Reason.NOT_EVALUATED)


def busy(metric: MetricStatus, gate: dict[str, Any], *, threads: int) -> Verdict:
    timing = Timing(threads=threads, batch=1, cpus=(0,), waited=2.5, busy=True)
    found = measured(metric).model_copy(update={"timing": timing})
    return judge(Evaluation(dataset="val", gates=(Gate.model_validate(gate),)), found)


def by_cpu(ratio: float, *, clock: float) -> MetricStatus:
    """A latency that is one ratio by the wall's clock and another by CPU time."""
    update = {"cpu_ratio": ratio, "cpu_output": 10 * ratio}
    return latency(clock).model_copy(update=update)


class TestOnABusyMachine:
    def test_cpu_time_decides_about_single_threads_and_the_message_says_so(self) -> None:
        gate = {"metric": "LatencyP50", "minSpeedup": 2}

        found = busy(by_cpu(0.4, clock=0.9), gate, threads=1)

        assert found.passed
        assert "CPU time" in found.results[0].message
        assert not busy(by_cpu(0.6, clock=0.3), gate, threads=1).passed

    def test_one_can_be_sure_by_cpu_time_too(self) -> None:
        gate = {"metric": "LatencyP50", "minSpeedup": 2, "confidence": "UpperBound"}

        assert busy(by_cpu(0.4, clock=0.4), gate, threads=1).passed  # up to 0.44
        assert not busy(by_cpu(0.48, clock=0.48), gate, threads=1).passed  # up to 0.53

    def test_cpu_time_decides_about_absolute_times_too(self) -> None:
        gate = {"metric": "LatencyP50", "max": 5}

        assert busy(by_cpu(0.4, clock=0.9), gate, threads=1).passed

    @pytest.mark.parametrize(
        ("expected", "ratio"),
        [
            pytest.param(PASSED, 0.4, id="a whole interval within"),
            pytest.param(Reason.LATENCY_ABOVE_THRESHOLD, 0.6, id="a whole interval beyond"),
            pytest.param(Reason.MACHINE_BUSY, 0.48, id="the limit within the interval"),
        ],
    )
    def test_several_threads_are_judged_where_the_whole_interval_says_the_same(
        self, expected: Reason, ratio: float
    ) -> None:
        gate = {"metric": "LatencyP50", "minSpeedup": 2}

        assert busy(latency(ratio), gate, threads=2).reason is expected

    def test_cpu_time_itself_does_not_mind(self) -> None:
        metric = latency(0.5).model_copy(update={"name": Metric.CPU_TIME})

        assert busy(metric, {"metric": "CPUTime", "minSpeedup": 2}, threads=2).passed

    def test_quality_does_not_mind(self) -> None:
        assert busy(top1(0.0, -0.004, 0.004), TOP1, threads=2).passed
