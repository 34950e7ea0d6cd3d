"""A run is suspended, resumed, cancelled, edited and deleted."""

import json

from e2e.localcluster.processes import wait_until
from e2e.story import Document, Team, condition

LONG = {"name": "recover", "distill": {"dataset": "train", "epochs": 60}}


def patch(team: Team, name: str, spec: Document) -> None:
    body = json.dumps({"spec": spec})
    team.kubectl("patch", "mo", name, "-n", team.namespace, "--type=merge", "-p", body)


def test_a_suspended_run_gives_its_gpu_back_and_goes_on_when_resumed(team: Team) -> None:
    name = team.apply(team.resource("paused", steps=[LONG]))
    team.until(name, lambda s: s.get("phase") == "Running", "to run")

    patch(team, name, {"run": {"suspend": True}})
    paused = team.until(name, lambda s: s.get("phase") == "Suspended", "to be suspended")
    wait_until(lambda: team.pods(name) == [], "its pod to be gone", seconds=60)
    patch(team, name, {"run": {"suspend": False}})
    status = team.until_finished(name)

    assert condition(paused, "Suspended")[0] == "True"
    assert status["phase"] == "Succeeded"


def test_a_cancelled_run_ends_for_good(team: Team) -> None:
    name = team.apply(team.resource("stopped", steps=[LONG]))
    team.until(name, lambda s: s.get("phase") == "Running", "to run")

    patch(team, name, {"run": {"cancel": True}})
    status = team.until_finished(name)

    assert status["phase"] == "Cancelled"
    wait_until(lambda: team.pods(name) == [], "its pod to be gone", seconds=60)


def test_an_edit_starts_a_new_run_and_the_old_one_never_reports_as_the_new(team: Team) -> None:
    name = team.apply(team.resource("edited", steps=[LONG]))
    before = team.until(name, lambda s: s.get("phase") == "Running", "to run")

    patch(team, name, {"steps": []})
    status = team.until(
        name,
        lambda s: s.get("observedGeneration") == 2 and s.get("phase") == "Succeeded",
        "to end as edited",
    )

    assert before["run"]["job"] != status["run"]["job"]
    assert [step["name"] for step in status["steps"]] == ["export"]


def test_a_deleted_resource_takes_its_job_along(team: Team) -> None:
    name = team.apply(team.resource("gone", steps=[LONG]))
    team.until(name, lambda s: s.get("phase") == "Running", "to run")

    team.kubectl("delete", "mo", name, "-n", team.namespace, "--wait")

    def empty() -> bool:
        return not team.kubectl.get("jobs,pods", "-n", team.namespace)["items"]

    wait_until(empty, "its Job and pod to be gone", seconds=90)
