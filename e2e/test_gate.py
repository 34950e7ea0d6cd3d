"""A gate that fails."""

from e2e.story import Team, condition


def test_a_failed_gate_ends_the_run_and_publishes_nothing(team: Team) -> None:
    impossible = {"metric": "SizeBytes", "maxRatio": 0.0001}
    name = team.apply(team.resource("strict", evaluation={"dataset": "val", "gates": [impossible]}))

    status = team.until_finished(name)

    assert status["phase"] == "Failed"
    assert condition(status, "Failed") == ("True", "GateFailed")
    assert condition(status, "GatesPassed") == ("False", "SizeAboveThreshold")
    assert status["lastFailure"]["exitCode"] == 10
    assert len(team.pods(name)) == 1
    manifests = [uri for uri in team.published() if uri.endswith("manifest.json")]
    assert all("/rejected/" in uri for uri in manifests)
