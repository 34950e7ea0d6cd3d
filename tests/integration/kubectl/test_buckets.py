"""`kubectl lathe report` and `diff` read a real S3 server, as the user."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lathe_kubectl import commands
from lathe_kubectl.kubectl import Document
from lathe_steps.errors import BadInput
from tests.s3_server import NOBODY, READER, Identity, S3Server, s3_server
from tests.typed import Terminal, digits

pytestmark = pytest.mark.s3

KEY = "5f3a9c1e" * 8
PAGE = b"<html>smaller and faster</html>"


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    """A server with what two runs left."""
    with s3_server(["artifacts"]) as running, running.client() as client:
        client.put_object(Bucket="artifacts", Key="report.html", Body=PAGE)
        for seed, name in enumerate(("new", "old")):
            manifest = {"plan": {"seed": seed}, "environment": {}, "metrics": []}
            client.put_object(
                Bucket="artifacts", Key=f"{name}.json", Body=json.dumps(manifest).encode()
            )
        yield running


def resource(server: S3Server) -> Document:
    """A resource that has run twice."""
    old = {"key": "0" * 64, "phase": "Succeeded", "manifestURI": "s3://artifacts/old.json"}
    made = digits(
        run={"key": KEY},
        manifestURI="s3://artifacts/new.json",
        reportURI="s3://artifacts/report.html",
        history=[old],
    )
    s3 = {
        "endpoint": server.endpoint,
        "addressingStyle": "Path",
        "credentials": {"secretRef": {"name": "s3"}},
    }
    made["spec"]["storage"] = {"s3": s3}
    return made


def user(server: S3Server, identity: Identity) -> Terminal:
    keys = {
        "AWS_ACCESS_KEY_ID": identity.access_key,
        "AWS_SECRET_ACCESS_KEY": identity.secret_key,
    }
    return Terminal(resource(server), environment=keys)


def test_a_report_is_copied_with_the_users_own_credentials(
    server: S3Server, tmp_path: Path
) -> None:
    terminal, file = user(server, READER), tmp_path / "report.html"

    assert terminal.type("report", "digits", "--to", str(file)) == commands.OK

    assert file.read_bytes() == PAGE
    assert terminal.out == [str(file)]


def test_who_may_not_read_the_bucket_gets_no_report(server: S3Server, tmp_path: Path) -> None:
    with pytest.raises(BadInput):
        user(server, NOBODY).type("report", "digits", "--to", str(tmp_path / "report.html"))


def test_a_service_that_is_seen_elsewhere_from_here_is_named(
    server: S3Server, tmp_path: Path
) -> None:
    terminal, file = user(server, READER), tmp_path / "report.html"
    inside = terminal.kubectl.resources["digits"]["spec"]["storage"]["s3"]
    inside["endpoint"] = "http://s3.in-the-cluster:9000"

    terminal.type("report", "digits", "--to", str(file), "--endpoint", server.endpoint)

    assert file.read_bytes() == PAGE


def test_two_runs_of_a_resource_are_told_apart_by_their_manifests(server: S3Server) -> None:
    terminal = user(server, READER)

    assert terminal.type("diff", "digits@5f3a", "digits@5f3a") == commands.OK
    assert terminal.type("diff", "digits@0000", "digits@5f3a") == commands.DIFFERENT
    assert any(line.split() == ["seed", "1", "0"] for line in terminal.out)
