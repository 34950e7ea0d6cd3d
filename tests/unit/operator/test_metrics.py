"""What Prometheus is told, and at which address."""

from collections.abc import Mapping

import aiohttp
import pytest
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest

from lathe_operator import health, metrics
from lathe_operator.facts import AttemptFailed, Ended, Started, StepDone
from lathe_operator.handlers import Ages
from lathe_operator.metrics import tally
from lathe_operator.metrics.collectors import ShownCollector
from lathe_operator.metrics.requests import Request, told


class Shown:
    """What two teams have."""

    def __init__(self) -> None:
        self.counts = {("red", "Running"): 2, ("red", ""): 1, ("red", "Pending"): 1}

    def phases(self) -> Mapping[tuple[str, str], int]:
        return self.counts

    def waits(self) -> Mapping[str, float]:
        return {"Pending": 90.0, "Queued": 0.0}


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_resources_are_counted_when_somebody_asks() -> None:
    registry, shown = CollectorRegistry(), Shown()
    registry.register(ShownCollector(shown))

    shown.counts["blue", "Failed"] = 3
    told = generate_latest(registry).decode()

    assert 'lathe_resources{namespace="red",phase="Running"} 2.0' in told
    assert 'lathe_resources{namespace="red",phase="Pending"} 2.0' in told
    assert 'lathe_resources{namespace="blue",phase="Failed"} 3.0' in told
    assert 'lathe_oldest_wait_seconds{phase="Pending"} 90.0' in told


def test_what_is_declared_is_what_is_served() -> None:
    registered = {name for name in REGISTRY._names_to_collectors if name.startswith("lathe_")}

    for declared in metrics.DECLARED.all:
        collected = declared in (metrics.RESOURCES, metrics.OLDEST_WAIT)
        assert collected or set(declared.series) <= registered, declared.name


def test_no_label_is_a_name_that_users_give() -> None:
    labels = {name for declared in metrics.DECLARED.all for name in declared.labels}

    assert labels == {
        *("namespace", "phase", "result", "reason", "kind", "of"),
        *("failure", "verb", "resource", "code", "version"),
    }


ENDED = Ended(
    "Failed",
    "GateFailed",
    300.0,
    hit=False,
    gates="SizeAboveThreshold",
    steps=(StepDone("prune", 12.0, hit=False), StepDone("fuse", 1.0, hit=True)),
    artifact_bytes=(41_000,),
    size_ratios=(4.0,),
    speedups=(2.5,),
)
COUNTED: dict[str, tuple[str, dict[str, str], float]] = {
    "the run": ("lathe_runs_total", {"result": "Failed", "reason": "GateFailed"}, 1),
    "its time": ("lathe_run_duration_seconds_sum", {"result": "Failed"}, 300),
    "its gate": ("lathe_gate_failures_total", {"reason": "SizeAboveThreshold"}, 1),
    "its miss": ("lathe_cache_requests_total", {"of": "run", "result": "miss"}, 1),
    "a step's hit": ("lathe_cache_requests_total", {"of": "step", "result": "hit"}, 1),
    "a step's time": ("lathe_step_duration_seconds_sum", {"kind": "prune"}, 12),
    "what was published": ("lathe_artifact_bytes_sum", {}, 41_000),
    "how much smaller": ("lathe_compression_ratio_sum", {}, 4),
    "how much faster": ("lathe_speedup_ratio_sum", {}, 2.5),
}


@pytest.mark.parametrize(("name", "labels", "grows_by"), COUNTED.values(), ids=COUNTED)
def test_of_an_end_is_counted(name: str, labels: dict[str, str], grows_by: float) -> None:
    before = value(name, **labels)

    tally.count(ENDED)

    assert value(name, **labels) - before == grows_by


def test_the_time_of_a_step_that_was_taken_up_is_not_counted_again() -> None:
    tally.count(ENDED)

    assert value("lathe_step_duration_seconds_count", kind="fuse") == 0


def test_a_start_tells_how_long_it_was_waited_for_and_a_failed_attempt_why() -> None:
    waited, failed = value("lathe_queue_wait_seconds_sum"), "lathe_attempts_failed_total"
    attempts = value(failed, reason="OutOfMemory")

    tally.count(Started(40.0))
    tally.count(Started(None))
    tally.count(AttemptFailed("OutOfMemory"))

    assert value("lathe_queue_wait_seconds_sum") - waited == 40
    assert value(failed, reason="OutOfMemory") - attempts == 1


def test_what_alerts_watch_is_there_before_anything_happened() -> None:
    tally.begin("0.1.0")

    labels = {"result": "Failed", "reason": "StorageUnavailable"}
    assert REGISTRY.get_sample_value("lathe_runs_total", labels) is not None
    assert value("lathe_build_info", version="0.1.0") == 1
    assert "_created" not in generate_latest().decode()


def test_a_watch_that_has_brought_nothing_is_as_old_as_the_process() -> None:
    times = iter((10.0, 40.0, 50.0, 55.0))
    ages = Ages(lambda: next(times))

    assert ages.of("jobs") == 30.0
    ages.saw("jobs")
    assert ages.of("jobs") == 5.0


A = "/apis/lathe.dev/v1alpha1"
PATHS: dict[str, tuple[str, str, tuple[str, str]]] = {
    "a list of all": ("GET", f"{A}/modeloptimizations", ("list", "modeloptimizations")),
    "a list": ("GET", f"{A}/namespaces/a/modeloptimizations", ("list", "modeloptimizations")),
    "a status": (
        "PATCH",
        f"{A}/namespaces/a/modeloptimizations/b/status",
        ("patch", "modeloptimizations/status"),
    ),
    "a Job": ("POST", "/apis/batch/v1/namespaces/jobs/jobs", ("create", "jobs")),
    "a pod": ("DELETE", "/api/v1/namespaces/a/pods/b", ("delete", "pods")),
    "a Lease": ("PUT", "/apis/coordination.k8s.io/v1/namespaces/a/leases/b", ("update", "leases")),
    "one Job": ("GET", "/apis/batch/v1/namespaces/a/jobs/b", ("get", "jobs")),
    "what is served": ("GET", A, ("get", "discovery")),
}


@pytest.mark.parametrize(("method", "path", "words"), PATHS.values(), ids=PATHS)
def test_a_request_is_told_of_without_names(method: str, path: str, words: tuple[str, str]) -> None:
    assert told(method, path) == words


def test_a_request_without_an_answer_counts_as_well() -> None:
    labels = {"verb": "get", "resource": "jobs", "code": "none"}
    before = value("lathe_api_requests_total", **labels)

    with pytest.raises(TimeoutError), Request("GET", "/apis/batch/v1/namespaces/a/jobs/b"):
        raise TimeoutError

    assert value("lathe_api_requests_total", **labels) - before == 1


async def test_the_process_answers_for_its_life_its_readiness_and_its_metrics() -> None:
    fault: list[str] = ["the watches have not begun"]

    async with (
        health.served("127.0.0.1", 0, readiness=lambda: fault[0] if fault else None) as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
    ):
        async with session.get("/healthz") as answer:
            assert answer.status == 200
        async with session.get("/readyz") as answer:
            assert (answer.status, await answer.text()) == (503, fault[0])
        fault.clear()
        async with session.get("/readyz") as answer:
            assert answer.status == 200
        async with session.get("/metrics") as answer:
            assert "lathe_reconcile_seconds" in await answer.text()
