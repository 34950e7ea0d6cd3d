"""Two replicas: one works, the other waits, and a run does not notice when they change places."""

import signal
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from e2e.localcluster.controlplane import ControlPlane
from tests.integration.operator.conftest import Start
from tests.integration.operator.crowd import NAMES, Crowd, counted, granted
from tests.integration.operator.installed import SYSTEM, Team, credential, token_config

pytestmark = pytest.mark.apiserver

LEASE = timedelta(seconds=3)
"""What the tests' operators are told: see `installed.OperatorProcess`."""
NAME = "operator.kubeconfig"
"""The kubeconfig that an operator gets which is given none."""


def holder(team: Team) -> str:
    field = "jsonpath={.spec.holderIdentity}"
    return team.control_plane.kubectl("get", "lease", "lathe-operator", "-n", SYSTEM, "-o", field)


def reads(team: Team) -> int:
    """How many lists and watches operators have asked for."""
    return sum(1 for event in team.asked() if event.verb in ("list", "watch"))


def test_who_stands_by_is_ready_and_watches_nothing(team: Team, start: Start) -> None:
    first = start()
    first.until_leading()
    team.apply()
    team.until_job()
    before = reads(team)

    second = start()
    second.until(lambda: second.get("/readyz") == "ok", "it to stand by")
    team.succeed()

    assert (first.leads, second.leads) == (True, False)
    assert reads(team) == before


def test_who_is_told_to_end_is_followed_before_its_lease_is_over(team: Team, start: Start) -> None:
    first = start(LATHE_LEASE_SECONDS="60", LATHE_LEASE_RETRY_SECONDS="0.3")
    first.until_leading()
    second = start(LATHE_LEASE_SECONDS="60", LATHE_LEASE_RETRY_SECONDS="0.3")

    assert first.terminate() == 0
    second.until(lambda: second.leads, "the second to lead", seconds=15.0)

    team.apply()
    team.until_job()


def test_who_is_killed_in_the_middle_of_a_run_is_followed_and_nothing_is_done_twice(
    team: Team, start: Start
) -> None:
    first = start()
    first.until_leading()
    second = start()
    team.apply()
    job = team.until_job()
    pod = team.start_pod(job)
    team.until_phase("Running")

    first.kill()
    team.end(job, pod)
    team.until_phase("Succeeded")

    assert second.leads
    assert team.written()["create/jobs"] == 1
    assert team.written()["create/events"] == 2


def leases(team: Team, credential: str) -> list[datetime]:
    """When who has that token has written the Lease."""
    return [
        event.received
        for event in granted(team.control_plane.audit_events())
        if event.resource == "leases" and event.credential == credential
    ]


def test_who_was_asleep_for_too_long_is_followed_in_time_and_ends_without_a_word(
    installed: ControlPlane, crowd: Crowd, start: Start, tmp_path: Path
) -> None:
    (tmp_path / "first").mkdir()
    config = token_config(installed, tmp_path / "first")
    first = start(config)
    first.until_leading()
    second = start()
    crowd.apply(*NAMES)
    crowd.until_jobs(1)
    first.process.send_signal(signal.SIGSTOP)  # with most of its work before it
    second.until(lambda: second.leads, "the second to lead", seconds=60.0)
    crowd.until_jobs(len(NAMES))
    leader, before = holder(crowd.team), len(installed.audit_events())

    first.process.send_signal(signal.SIGCONT)

    assert first.process.wait(60) == 1
    later = installed.audit_events()[before:]
    assert [e for e in granted(later) if e.credential == credential(config)] == []
    assert holder(crowd.team) == leader
    counts = counted(crowd.team.asked())
    assert {name: each["create/jobs"] for name, each in counts.items()} == dict.fromkeys(NAMES, 1)
    mine = leases(crowd.team, credential(config))
    taken = min(each for each in leases(crowd.team, credential(tmp_path / NAME)) if each > mine[-1])
    assert taken - mine[-1] <= LEASE + timedelta(seconds=5)


def test_who_is_told_to_end_while_standing_by_just_ends(start: Start) -> None:
    first = start()
    first.until_leading()
    second = start()

    assert second.terminate() == 0
    assert first.leads
