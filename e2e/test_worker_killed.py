"""A pod that is killed in the middle."""

from e2e.story import Team

PRUNE = {"name": "halve", "prune": {"target": {"params": 0.5}}}
LONG = {"name": "recover", "distill": {"dataset": "train", "epochs": 60}}


def test_a_killed_pod_is_replaced_by_one_that_resumes_at_the_step(team: Team) -> None:
    name = team.apply(team.resource("killed", steps=[PRUNE, LONG]))
    team.until(
        name, lambda s: s.get("progress", {}).get("step") == "recover", "to be in its second step"
    )
    (first,) = team.pods(name)

    team.kubectl("delete", "pod", first, "-n", team.namespace, "--grace-period=0", "--force")
    status = team.until_finished(name)

    assert status["phase"] == "Succeeded"
    assert {step["name"]: step["cache"] for step in status["steps"]}["halve"] == "Hit"
    assert status["run"]["attempt"] == 2
