"""What is wrong with inputs and credentials is said on the resource, at once and once."""

import pytest

from e2e.story import Team, condition


def secret(team: Team, name: str, **keys: str) -> None:
    team.kubectl.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": team.namespace},
            "stringData": keys,
        }
    )


def with_secret(team: Team, name: str) -> dict[str, object]:
    storage = {
        "s3": {
            "endpoint": team.cluster.object_store.endpoint,
            "addressingStyle": "Path",
            "credentials": {"secretRef": {"name": name}},
        }
    }
    return team.resource("denied", storage=storage)


def test_credentials_that_are_refused_fail_the_run_and_name_the_object(team: Team) -> None:
    secret(team, "wrong", AWS_ACCESS_KEY_ID="lathe", AWS_SECRET_ACCESS_KEY="not-the-key")

    status = team.until_finished(team.apply(with_secret(team, "wrong")))

    assert condition(status, "Failed") == ("True", "AccessDenied")
    assert status["lastFailure"]["exitCode"] == 30
    assert "s3://models/digits/" in status["lastFailure"]["message"]
    assert len(team.pods("denied")) == 1


def test_a_secret_that_is_missing_is_named_and_waited_for(team: Team) -> None:
    name = team.apply(with_secret(team, "late"))

    waiting = team.until(
        name,
        lambda s: condition(s, "Admitted") == ("False", "CreateContainerConfigError"),
        "to say that the Secret is missing",
    )
    store = team.cluster.object_store
    secret(team, "late", awsAccessKeyID=store.access_key, awsSecretAccessKey=store.secret_key)
    status = team.until_finished(name)

    assert waiting["phase"] == "Pending"
    assert "late" in next(c["message"] for c in waiting["conditions"] if c["type"] == "Admitted")
    assert status["phase"] == "Succeeded"


BROKEN = {
    "garbage instead of a model": (b"\x00garbage" * 100, "InvalidModel"),
    "a model that was cut off": (b"\xff\xff\xff\x00\x00\x00\x00\x00{", "InvalidModel"),
}


@pytest.mark.parametrize(("content", "reason"), BROKEN.values(), ids=BROKEN)
def test_a_corrupt_model_fails_the_run_once(team: Team, content: bytes, reason: str) -> None:
    uri = f"s3://models/{team.namespace}/model.safetensors"
    team.store.write_bytes(uri, content)
    document = team.resource("corrupt")
    document["spec"]["model"]["uri"] = uri

    status = team.until_finished(team.apply(document))

    assert condition(status, "Failed") == ("True", reason)
    assert status["lastFailure"]["exitCode"] == 30
    assert uri in status["lastFailure"]["message"]
    assert len(team.pods("corrupt")) == 1


def test_a_chain_that_cannot_work_never_gets_a_pod(team: Team) -> None:
    document = team.resource(
        "broken", steps=[{"prune": {"target": {"params": 0.5}}}, {"quantize": {"mode": "Dynamic"}}]
    )

    name = team.apply(document)
    status = team.until(
        name, lambda s: condition(s, "Accepted") == ("False", "InvalidSpec"), "to be refused"
    )

    assert "spec.steps[1].quantize" in next(
        c["message"] for c in status["conditions"] if c["type"] == "Accepted"
    )
    assert "job" not in status.get("run", {})
