"""Two replicas: one works, the other waits, and a run does not notice when they change places."""

import signal

import pytest

from tests.integration.operator.conftest import Start
from tests.integration.operator.installed import SYSTEM, Team

pytestmark = pytest.mark.apiserver


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


def test_who_was_asleep_for_too_long_ends_without_a_word(team: Team, start: Start) -> None:
    first = start()
    first.until_leading()
    second = start()
    first.process.send_signal(signal.SIGSTOP)
    second.until(lambda: second.leads, "the second to lead")
    team.apply()
    team.until_job()
    leader, before = holder(team), team.written()

    first.process.send_signal(signal.SIGCONT)

    assert first.process.wait(20) == 1
    assert holder(team) == leader
    assert team.written() - before <= before


def test_who_is_told_to_end_while_standing_by_just_ends(start: Start) -> None:
    first = start()
    first.until_leading()
    second = start()

    assert second.terminate() == 0
    assert first.leads
