"""Two teams' runs and one that is urgent, where there are GPUs for one of them: docs/kueue.md."""

import re
from typing import Any

import pytest
import yaml

from e2e.localcluster.images import REPOSITORY
from e2e.story import MINUTES, Document, Team, condition

OPERATOR = "system:serviceaccount:lathe-system:lathe-operator"
PAGE = (REPOSITORY / "docs" / "kueue.md").read_text("utf-8")
SETUP, SPEC = (
    list(yaml.safe_load_all(block)) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
)
PRUNE = {"name": "halve", "prune": {"target": {"params": 0.5}}}
LONG = {"name": "recover", "distill": {"dataset": "train", "epochs": 60}}


def queued(team: Team, name: str, priority: str, *steps: Document) -> str:
    """Apply a resource that takes all GPUs of the page's quota; gives its name."""
    spec: dict[str, Any] = {
        "scheduling": {**SPEC[0]["spec"]["scheduling"], "priorityClassName": priority},
        "worker": {"resources": {"limits": {"nvidia.com/gpu": 2}}},
    }
    return team.apply(team.resource(name, steps=list(steps), **spec))


@pytest.mark.usefixtures("kueue")
def test_who_is_urgent_goes_first_who_is_preempted_resumes_and_who_waits_gets_its_turn(
    team: Team,
) -> None:
    for document in SETUP:
        mine = {"namespace": team.namespace} if document["kind"] == "LocalQueue" else {}
        team.kubectl.apply({**document, "metadata": {**document["metadata"], **mine}})
    humble = queued(team, "humble", "batch", PRUNE, LONG)
    team.until(
        humble, lambda s: s.get("progress", {}).get("step") == "recover", "to be in its second step"
    )
    patient = queued(team, "patient", "batch")
    waits = team.until(patient, lambda s: s.get("phase") == "Queued", "to wait", seconds=30)

    urgent = queued(team, "urgent", "urgent")
    stopped = team.until(humble, lambda s: s.get("phase") == "Queued", "to be preempted")
    ends = {name: team.until_finished(name, seconds=10 * MINUTES) for name in (urgent, humble)}
    ends[patient] = team.until_finished(patient)

    assert condition(waits, "Admitted") == ("False", "WaitingForQuota")
    assert condition(stopped, "Admitted") == ("False", "Preempted")
    assert {name: end["phase"] for name, end in ends.items()} == dict.fromkeys(ends, "Succeeded")
    assert {s["name"]: s["cache"] for s in ends[humble]["steps"]}["halve"] == "Hit"
    assert ends[urgent]["run"]["completionTime"] < ends[humble]["run"]["completionTime"]
    assert ends[humble]["run"]["attempt"] == 1
    assert _verbs(team) == {"create"}  # suspend, selectors and tolerations are Kueue's


def _verbs(team: Team) -> set[str]:
    """What the operator did with Jobs."""
    return {
        event.verb
        for event in team.cluster.control_plane.audit_events()
        if (event.user, event.namespace, event.resource) == (OPERATOR, team.namespace, "jobs")
        and event.is_write
    }
