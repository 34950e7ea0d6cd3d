"""Which clock is believed: what is said of times that were taken on an idle and a busy machine."""

import pytest

from lathe_api.v1alpha1.evaluation import LATENCIES, SPEEDS, Metric
from lathe_api.v1alpha1.status import MetricStatus
from lathe_steps.toolchains.timing import Times
from lathe_worker.measured import Timing
from lathe_worker.speeds import BASELINE, Timed, least_calls, throughputs, times_of


def told(*, threads: int, busy: bool) -> dict[Metric, MetricStatus]:
    """Twice as fast by CPU time, ten times by the wall's clock, as calls that waited may be."""
    times = {
        BASELINE: Times(wall=[20.0, 21.0] * 40, cpu=[2.0, 2.1] * 40),
        "cpu": Times(wall=[2.0, 2.1] * 40, cpu=[1.0, 1.05] * 40),
    }
    timed = Timed(times, Timing(threads=threads, batch=4, waited=5.0, busy=busy))
    found = [*times_of(timed, ["cpu"], SPEEDS), *throughputs(timed, ["cpu"])]
    return {metric.name: metric for metric in found}


@pytest.mark.parametrize(
    ("ratio", "threads", "busy"),
    [
        pytest.param(0.1, 1, False, id="the wall's clock, when the machine is idle"),
        pytest.param(0.5, 1, True, id="CPU time of a single thread, when it is busy"),
        pytest.param(0.1, 2, True, id="the wall's clock for several, whose CPU time says nothing"),
    ],
)
def test_one_clock_is_believed(ratio: float, threads: int, *, busy: bool) -> None:
    found = told(threads=threads, busy=busy)

    for name in LATENCIES:
        assert found[name].ratio == pytest.approx(ratio)
        assert (found[name].low or 0) <= ratio + 1e-9
        assert (found[name].high or 0) >= ratio - 1e-9
    assert found[Metric.THROUGHPUT].ratio == pytest.approx(1 / ratio)


def test_cpu_time_is_told_whichever_clock_is_believed() -> None:
    for found in (told(threads=1, busy=False), told(threads=1, busy=True)):
        assert found[Metric.CPU_TIME].ratio == pytest.approx(0.5)
        assert {found[name].cpu_ratio for name in LATENCIES} == {0.5}
        assert found[Metric.THROUGHPUT].cpu_ratio == pytest.approx(2)


def test_throughput_is_samples_per_second() -> None:
    assert told(threads=1, busy=False)[Metric.THROUGHPUT].output == pytest.approx(
        4 * 1000 / 2.05, rel=0.01
    )


def test_tails_need_more_calls() -> None:
    asked = [frozenset({Metric.LATENCY_P50}), frozenset({Metric.LATENCY_P95}), LATENCIES]

    assert [least_calls(metrics) for metrics in asked] == [0, 75, 370]
