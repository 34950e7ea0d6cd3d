"""What the real process tells of a run, and what the next process does not tell again."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests import kubelet
from tests.integration.operator.conftest import Start
from tests.integration.operator.installed import OperatorProcess, Team

pytestmark = pytest.mark.apiserver

Sample = tuple[str, tuple[tuple[str, str], ...]]


def sample(name: str, **labels: str) -> Sample:
    return name, tuple(sorted(labels.items()))


def served(operator: OperatorProcess) -> dict[Sample, float]:
    """Every sample of /metrics."""
    return {
        sample(each.name, **each.labels): each.value
        for family in text_string_to_metric_families(operator.get("/metrics"))
        for each in family.samples
    }


RUNS = sample("lathe_runs_total", result="Succeeded", reason="Succeeded")


def test_a_run_is_counted_by_the_process_that_tells_of_its_end_and_by_no_other(
    start: Start, team: Team
) -> None:
    first = start()
    first.until_leading()
    team.apply()
    job = team.until_job()
    pod = team.start_pod(job)
    team.until_phase("Running")
    team.end(job, pod, message=kubelet.success(cache="Miss"))
    team.until_phase("Succeeded")
    first.until(lambda: served(first)[RUNS] == 1, "the end to be counted")

    told = served(first)
    assert told[sample("lathe_resources", namespace=team.namespace, phase="Succeeded")] == 1
    assert told[sample("lathe_oldest_wait_seconds", phase="Pending")] == 0
    assert told[sample("lathe_run_duration_seconds_count", result="Succeeded")] == 1
    assert told[sample("lathe_queue_wait_seconds_count")] == 1
    assert told[sample("lathe_cache_requests_total", of="run", result="miss")] == 1
    assert told[sample("lathe_artifact_bytes_sum")] == 41_000
    created = sample("lathe_api_requests_total", verb="create", resource="jobs", code="201")
    assert told[created] == 1
    assert (
        told[sample("lathe_view_confirmed_timestamp_seconds")]
        > told[sample("process_start_time_seconds")]
    )

    first.terminate()
    second = start()
    second.until_leading()
    told = served(second)
    assert told[sample("lathe_resources", namespace=team.namespace, phase="Succeeded")] == 1
    assert told[RUNS] == 0
