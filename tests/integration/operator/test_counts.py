"""What a resource costs the API server, counted in its audit log: in its life, and ever after."""

from datetime import timedelta

import pytest

from e2e.localcluster.audit import AuditEvent
from lathe_operator.decide import PATIENCE
from tests.integration.operator.conftest import Start, Undisturbed
from tests.integration.operator.crowd import NAMES, SHAKY, Crowd, counted, granted

pytestmark = pytest.mark.apiserver

FINISHED = 1000
WRITES = {True: 5, False: 3}
"""Of a resource's life, whether an attempt fails on the way or not: its Job, and its status."""
EVENTS = 3
SECOND = timedelta(seconds=1)
STATUS = "patch/modeloptimizations/status"


def is_pending(event: AuditEvent) -> bool:
    """Whether it tells that a pod is awaited, which a busy machine may take a while to start."""
    return event.subresource == "status" and (event.request or {})["status"]["phase"] == "Pending"


def test_from_create_to_its_end_a_resource_takes_three_writes_and_three_events(
    undisturbed: Undisturbed,
) -> None:
    asked = undisturbed.asked
    early = [event for event in asked if not is_pending(event)]
    counts = counted(early)

    assert set(counts) == set(NAMES)
    for name, written in counts.items():
        assert set(written) == {"create/jobs", STATUS, "create/events"}, name
        assert written["create/jobs"] == 1, name
        assert 1 + written[STATUS] <= WRITES[name.startswith(SHAKY)], name
        assert written["create/events"] <= EVENTS, name


def test_a_resource_is_called_pending_only_when_its_pod_takes_its_time(
    undisturbed: Undisturbed,
) -> None:
    asked = undisturbed.asked
    made = {event.name[:-9]: event.received for event in asked if event.resource == "jobs"}

    for event in filter(is_pending, asked):
        # Of the second in which a Job was made, only the beginning is known.
        assert event.received - made[event.name] > PATIENCE - SECOND, event.name


def test_nothing_is_asked_for_twice_and_nothing_is_read_but_lists_and_watches(
    undisturbed: Undisturbed,
) -> None:
    asked = undisturbed.asked
    assert {event.verb for event in asked} <= {"create", "patch", "list", "watch"}
    assert [event for event in asked if event.code >= 300] == []


def test_after_the_end_nothing_is_written_or_read(undisturbed: Undisturbed) -> None:
    assert {event.verb for event in undisturbed.asked_later} <= {"watch"}


def test_nothing_is_put_on_resources(undisturbed: Undisturbed) -> None:
    put = [status["put on it"] for status, _, _ in undisturbed.end_state.values()]

    assert put == [[None, None]] * len(NAMES)


def test_a_restart_writes_nothing_about_a_thousand_that_have_ended(
    undisturbed: Undisturbed, crowd: Crowd, start: Start
) -> None:
    status = undisturbed.resources["good-00"]["status"]
    for number in range(FINISHED):
        crowd.finish(f"good-{number:04d}", status)

    operator = start(LATHE_LEASE_SECONDS="60")
    operator.until_leading()
    crowd.apply("sentinel")
    crowd.until_jobs(1)  # all others came before it, and have been looked at

    assert [event.name for event in granted(crowd.team.asked()) if event.name[:4] == "good"] == []
