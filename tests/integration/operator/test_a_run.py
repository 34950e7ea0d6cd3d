"""A resource's life before a real API server, counted from its audit log."""

import json
import re

import pytest

from e2e.localcluster.processes import wait_until
from lathe_operator.decide.names import RESTART
from tests import kubelet
from tests.builders import EXPORT, PRUNE, a_resource
from tests.integration.operator.conftest import Start
from tests.integration.operator.installed import OperatorProcess, Team

pytestmark = pytest.mark.apiserver


@pytest.mark.usefixtures("operator")
def test_from_create_to_succeeded_it_takes_four_writes_and_two_events_and_no_read(
    team: Team,
) -> None:
    team.apply()
    before = team.get("mo", "digits")["metadata"]
    status = team.succeed()
    asked = team.asked()

    written = team.written()
    assert written.pop("create/events") == 2
    assert written.pop("create/jobs") == 1
    assert 2 <= written.pop("patch/modeloptimizations/status") <= 3
    assert written == {}
    assert [event.verb for event in asked if not event.is_write and event.verb == "get"] == []
    assert all(event.code < 300 for event in asked)
    assert status["summary"]["size"] == "-87%"
    after = team.get("mo", "digits")["metadata"]
    assert after.get("finalizers") is None
    assert after.get("annotations") == before.get("annotations")


def test_a_new_operator_writes_nothing_about_what_has_ended(team: Team, start: Start) -> None:
    first = start()
    team.apply()
    team.succeed()
    team.kubectl("delete", "job", "--all")
    assert first.terminate() == 0
    before = team.written()

    second = start()
    second.until_leading()
    second.until(lambda: 'phase="Succeeded"} 1.0' in second.get("/metrics"), "it to see the end")
    team.apply(a_resource().named("another"))
    team.until_job()  # by now, it has looked at everything

    assert team.written(but="another") == before


@pytest.mark.usefixtures("operator")
def test_what_the_schema_lets_in_and_nobody_can_run_is_told_and_gets_no_job(team: Team) -> None:
    team.apply(a_resource().steps(EXPORT, PRUNE))

    status = team.until_phase("Failed")

    accepted = next(each for each in status["conditions"] if each["type"] == "Accepted")
    assert (accepted["status"], accepted["reason"]) == ("False", "InvalidSpec")
    assert "steps[1].prune" in accepted["message"]
    assert team.jobs == []


@pytest.mark.usefixtures("operator")
def test_a_run_is_edited_restarted_suspended_and_cancelled(team: Team) -> None:
    team.apply()
    first = team.until_job()
    team.start_pod(first)
    team.until_phase("Running")

    team.apply(a_resource().steps(PRUNE))
    status = team.until_phase("Pending")
    second = team.until_job()
    assert second["metadata"]["name"] == status["run"]["job"] != first["metadata"]["name"]

    team.kubectl("annotate", "mo", "digits", f"{RESTART}=now")
    team.kubectl("wait", "mo/digits", "--for=jsonpath={.status.run.restart}=now", "--timeout=20s")

    team.apply(a_resource().steps(PRUNE).with_(run={"suspend": True}))
    team.until_phase("Suspended")
    assert team.until_job()["spec"]["suspend"] is True

    team.apply(a_resource().steps(PRUNE).with_(run={"cancel": True}))
    team.until_phase("Cancelled")
    team.kubectl("wait", "jobs", "--all", "--for=delete", "--timeout=20s")


@pytest.mark.usefixtures("operator")
def test_a_gate_that_fails_is_the_reason_that_users_read(team: Team) -> None:
    team.apply()
    job = team.until_job()
    pod = team.start_pod(job)
    team.until_phase("Running")

    team.end(job, pod, 10, kubelet.failure(message="Top1 fell by 0.2"))
    team.until_phase("Failed")

    told = team.kubectl("get", "mo", "digits", "-o", "wide")
    assert "Top1 fell by 0.2" in told
    events = team.kubectl("events", "--for=modeloptimization.lathe.dev/digits")
    assert "Top1 fell by 0.2" in events


@pytest.mark.usefixtures("operator")
def test_pods_that_the_namespace_refuses_are_told_in_its_words(team: Team) -> None:
    none = {"requests.nvidia.com/gpu": "0"}
    team.kubectl("create", "quota", "gpus", "--hard=requests.nvidia.com/gpu=0")
    team.write_status("resourcequota", "gpus", {"hard": none, "used": none})

    team.apply()
    team.until_job()

    def denied() -> bool:
        conditions = team.status.get("conditions", [])
        told = {each["type"]: each for each in conditions}.get("Ready", {})
        return told.get("reason") == "AdmissionDenied" and "exceeded quota" in told["message"]

    wait_until(denied, "the quota's words", seconds=30.0)


def test_an_api_server_that_restarts_in_the_middle_changes_nothing(
    team: Team, start: Start
) -> None:
    operator = start(LATHE_LEASE_SECONDS="30")
    operator.until_leading()
    team.apply()
    job = team.until_job()
    pod = team.start_pod(job)
    team.until_phase("Running")

    team.control_plane.restart_apiserver()
    team.end(job, pod)

    team.until_phase("Succeeded", seconds=60.0)
    assert operator.process.poll() is None
    assert team.written()["create/jobs"] == 1


def test_logs_are_json_and_metrics_tell_of_the_run(team: Team, operator: OperatorProcess) -> None:
    team.apply()
    team.succeed()

    lines = [json.loads(line) for line in operator.log.read_text().splitlines()]
    assert all({"message", "severity", "timestamp"} <= line.keys() for line in lines)
    told = operator.get("/metrics")
    assert 'lathe_runs_total{reason="Succeeded",result="Succeeded"} 1.0' in told
    mine = f'lathe_resources{{namespace="{team.namespace}",phase="Succeeded"}} 1.0'
    assert mine in told
    assert not re.search(r"^lathe_reconcile_errors_total\S* [1-9]", told, re.MULTILINE)
