"""A run of several stages before a real API server, counted from its audit log."""

from typing import Any

import pytest

from e2e.localcluster.processes import wait_until
from lathe_api.v1alpha1.status import TargetStatus
from tests import kubelet
from tests.integration.operator.installed import Team
from tests.staged_world import a_staged_resource, broke, made

pytestmark = pytest.mark.apiserver

Document = dict[str, Any]
STAGE = "lathe.dev/stage"


def until_stage(team: Team, stage: str) -> Document:
    """Wait for the Job of a stage, and give it."""
    found: list[Document] = []

    def there() -> bool:
        found[:] = [job for job in team.jobs if job["metadata"]["labels"].get(STAGE) == stage]
        return bool(found)

    wait_until(there, f"the Job of {stage}", seconds=30.0, every=0.1)
    return found[0]


def end(team: Team, stage: str, words: str, exit_code: int = 0) -> None:
    """Run a stage to its end."""
    job = until_stage(team, stage)
    team.end(job, team.start_pod(job), exit_code, words)


def target(status: Document, name: str) -> Document:
    found: Document = next(each for each in status["targets"] if each["name"] == name)
    return found


PUBLISHED = kubelet.success(
    targets=(
        TargetStatus(name="any", state="Succeeded"),
        TargetStatus(name="old", state="Succeeded", driver_version="570.86"),
        TargetStatus(name="new", state="Failed", reason="TargetFailed"),
    )
)


@pytest.mark.usefixtures("operator")
def test_a_target_fails_apart_and_the_others_are_published(team: Team) -> None:
    team.apply(a_staged_resource())
    end(team, "compress", made("any"))
    end(team, "build1", made("old", driver_version="570.86"))
    end(team, "build2", broke("new"), 50)
    end(team, "publish", PUBLISHED)

    status = team.until_phase("Failed")

    assert {stage["name"]: stage["state"] for stage in status["run"]["stages"]} == {
        "compress": "Succeeded",
        "build1": "Succeeded",
        "build2": "Failed",
        "publish": "Succeeded",
    }
    assert target(status, "old")["driverVersion"] == "570.86"
    assert target(status, "new")["reason"] == "UnsupportedModel"
    assert all(it["job"].startswith(status["run"]["job"]) for it in status["targets"])
    assert status["lastFailure"]["reason"] == "UnsupportedModel"


@pytest.mark.usefixtures("operator")
def test_it_takes_a_job_for_each_stage_and_a_write_for_each_step_forward(team: Team) -> None:
    team.apply(a_staged_resource())
    for stage, name in (("compress", "any"), ("build1", "old"), ("build2", "new")):
        end(team, stage, made(name))
    end(team, "publish", kubelet.success())
    team.until_phase("Succeeded")

    written = team.written()
    assert written.pop("create/jobs") == 4
    assert written.pop("create/events") <= 3
    assert written.pop("patch/modeloptimizations/status") <= 9
    assert written == {}
    assert [event.verb for event in team.asked() if event.verb == "get"] == []
