"""The example, applied by a data scientist, to its end."""

import json

import yaml

from e2e.localcluster.images import REPOSITORY
from e2e.story import MINUTES, Team, condition

OPERATOR = "system:serviceaccount:lathe-system:lathe-operator"


def test_the_example_succeeds_and_says_what_came_out(team: Team) -> None:
    document = yaml.safe_load((REPOSITORY / "examples" / "quickstart.yaml").read_text())
    document["metadata"]["namespace"] = team.namespace
    document["spec"]["storage"]["s3"]["endpoint"] = team.cluster.object_store.endpoint
    document["spec"]["output"]["uri"] = f"s3://artifacts/{team.namespace}/"

    name = team.apply(document)
    seen = team.until(name, lambda s: s.get("progress", {}).get("percent", 0) > 0, "progress")
    status = team.until_finished(name, seconds=10 * MINUTES)

    assert status["phase"] == "Succeeded"
    assert seen["phase"] == "Running"
    assert condition(status, "Complete") == ("True", "Succeeded")
    assert condition(status, "Ready") == ("True", "Succeeded")
    assert condition(status, "GatesPassed") == ("True", "AllGatesPassed")
    assert {target["name"] for target in status["targets"]} == {"cpu", "rtx"}
    assert team.kubectl("wait", "-n", team.namespace, "--for=condition=Complete", f"mo/{name}")
    manifest = json.loads(team.store.read_bytes(status["manifestURI"], limit=2**20))
    for artifact in status["artifacts"]:
        assert team.store.stat(artifact["uri"]).size == artifact["bytes"]
    assert {a["uri"] for a in status["artifacts"]} == {a["uri"] for a in manifest["artifacts"]}
    _columns_are_filled(team, name)
    _the_operator_wrote_little(team, name)


def _columns_are_filled(team: Team, name: str) -> None:
    shown = team.kubectl("get", "mo", name, "-n", team.namespace, "--no-headers").split()

    assert shown[1] == "Succeeded"
    assert shown[4].endswith("%")
    assert shown[5].endswith("x")
    assert shown[7].endswith("pp")


def _the_operator_wrote_little(team: Team, name: str) -> None:
    writes = [
        event
        for event in team.cluster.control_plane.audit_events()
        if event.user == OPERATOR and event.namespace == team.namespace and event.is_write
    ]
    events = [each for each in writes if each.resource == "events"]
    metadata = team.kubectl.get("mo", name, "-n", team.namespace)["metadata"]
    ours = {k for k in metadata.get("annotations", {}) if "last-applied" not in k}

    assert len(writes) - len(events) <= 4
    assert len(events) <= 3
    assert (ours, metadata.get("finalizers", [])) == (set(), [])
