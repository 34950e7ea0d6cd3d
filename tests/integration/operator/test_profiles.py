"""Profiles before a real API server: waited for, taken, kept by a run, and deprecated."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from e2e.localcluster.processes import wait_until
from lathe_api.plan import ANNOTATION
from lathe_operator.decide.names import RESTART
from tests.builders import FUSE, PRUNE, Document, a_profile, a_resource, refers_to
from tests.integration.operator.installed import Team

pytestmark = [pytest.mark.apiserver, pytest.mark.usefixtures("operator")]

BY_PROFILE = a_resource().with_(profileRef=refers_to())


def put(team: Team, name: str = "small", **spec: Any) -> None:
    """Apply a profile of the team's namespace."""
    team.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(a_profile(name, **spec)))


def steps_of(job: Document) -> list[str]:
    plan = json.loads(job["spec"]["template"]["metadata"]["annotations"][ANNOTATION])
    return [step["name"] for step in plan["steps"]]


def accepted(status: Document) -> Document:
    found: Document = next(c for c in status["conditions"] if c["type"] == "Accepted")
    return found


def test_a_resource_waits_for_its_profile_and_goes_on_when_it_comes(team: Team) -> None:
    team.apply(BY_PROFILE)
    status = team.until_phase("Pending")
    assert accepted(status)["reason"] == "ProfileNotFound"
    assert team.jobs == []

    put(team, steps=[FUSE])
    status = team.succeed()

    (job,) = team.jobs
    assert steps_of(job) == ["fuse", "export"]
    assert status["run"]["profile"]["name"] == "small"


def test_a_run_keeps_what_it_took_and_a_restart_takes_what_is_there_then(team: Team) -> None:
    put(team, steps=[FUSE])
    team.apply(BY_PROFILE)
    team.succeed()
    before = team.written()

    put(team, steps=[PRUNE])
    team.apply(BY_PROFILE.named("another"))
    wait_until(lambda: len(team.jobs) == 2, "the other's Job", seconds=30.0, every=0.1)
    assert team.written(but="another") == before

    team.kubectl("annotate", "mo", "digits", f"{RESTART}=now")
    job = team.until_job(3)
    assert steps_of(job) == ["prune", "export"]


def test_a_profile_costs_no_write_and_no_read(team: Team) -> None:
    put(team, steps=[FUSE])
    team.apply(BY_PROFILE)
    team.succeed()

    written = team.written()
    assert written.pop("create/events") == 2
    assert written.pop("create/jobs") == 1
    assert 2 <= written.pop("patch/modeloptimizations/status") <= 3
    assert written == {}
    asked = {(event.verb, event.resource) for event in team.asked() if not event.is_write}
    assert {verb for verb, resource in asked if "profiles" in resource} <= {"list", "watch"}


def test_a_deprecation_is_seen_where_the_profile_is_used(team: Team) -> None:
    put(team, steps=[FUSE])
    team.apply(BY_PROFILE)
    job = team.until_job()
    team.start_pod(job)
    team.until_phase("Running")

    put(team, steps=[FUSE], deprecated={"message": "it is slow", "replacedBy": "smaller"})
    wait_until(
        lambda: "it is slow; use smaller" in accepted(team.status).get("message", ""),
        "the warning",
        seconds=30.0,
        every=0.1,
    )

    events = team.get("events.events.k8s.io")["items"]
    assert [event["reason"] for event in events].count("ProfileDeprecated") == 1
    assert accepted(team.status)["status"] == "True"
    assert len(team.jobs) == 1


@pytest.fixture
def shared(team: Team) -> Iterator[str]:
    """A profile of the cluster, which a namespace's operator sees as well."""
    name = f"shared-{team.namespace}"
    profile = a_profile(name, kind="ClusterOptimizationProfile", steps=[FUSE])
    team.control_plane.apply(profile)
    yield name
    team.control_plane.kubectl("delete", "cmop", name)


def test_a_profile_of_the_cluster_is_seen_by_an_operator_of_one_namespace(
    team: Team, shared: str
) -> None:
    team.apply(a_resource().with_(profileRef=refers_to(shared, "ClusterOptimizationProfile")))

    assert steps_of(team.until_job()) == ["fuse", "export"]
