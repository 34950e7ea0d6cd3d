"""The operator is killed in the middle."""

from e2e.demo.install import SYSTEM
from e2e.story import Team

LONG = {"name": "recover", "distill": {"dataset": "train", "epochs": 30}}


def test_a_killed_operator_comes_back_and_nothing_is_done_twice(team: Team) -> None:
    name = team.apply(team.resource("orphan", steps=[LONG]))
    running = team.until(name, lambda s: s.get("phase") == "Running", "to run")

    team.kubectl(
        *("delete", "pod", "-n", SYSTEM, "-l", "app.kubernetes.io/name=lathe-operator"),
        *("--grace-period=0", "--force"),
    )
    status = team.until_finished(name)

    assert status["phase"] == "Succeeded"
    assert running["run"]["job"] == status["run"]["job"]
    creations = [
        event
        for event in team.cluster.control_plane.audit_events()
        if (event.namespace, event.resource, event.verb) == (team.namespace, "jobs", "create")
        and event.code < 300
    ]
    assert len(creations) == 1
