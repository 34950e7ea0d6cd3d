"""The client that is made of settings asks nobody for what was not asked of it."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Literal

import pytest

from lathe_steps.errors import InvalidSpec
from lathe_worker.s3 import client as room
from lathe_worker.s3.settings import Ambient, Anonymous, Keys, S3Settings

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

KEYS = Keys("id", "secret")


@contextmanager
def client_for(settings: S3Settings) -> Iterator["S3Client"]:
    with closing(room.client(settings)) as client:
        yield client


@pytest.mark.parametrize(
    ("want", "endpoint", "style"),
    [
        ("https://models.s3.amazonaws.com/a", None, "Auto"),
        ("https://s3.amazonaws.com/models/a", None, "Path"),
        ("http://minio:9000/models/a", "http://minio:9000", "Auto"),
        ("http://models.minio:9000/a", "http://minio:9000", "Virtual"),
    ],
    ids=str,
)
def test_the_bucket_stands_where_it_should(
    want: str, endpoint: str | None, style: Literal["Auto", "Path", "Virtual"]
) -> None:
    settings = S3Settings(endpoint=endpoint, addressing_style=style, credentials=KEYS)
    with client_for(settings) as client:
        url = client.generate_presigned_url("get_object", {"Bucket": "models", "Key": "a"})

    assert url.split("?")[0] == want


@pytest.mark.parametrize(
    ("asked", "credentials"),
    [
        pytest.param(True, Ambient(node=True), id="by the ServiceAccount's credentials"),
        pytest.param(False, Ambient(), id="not by a laptop's"),
        pytest.param(False, KEYS, id="not with keys"),
        pytest.param(False, Anonymous(), id="not by nobody"),
    ],
)
def test_the_nodes_own_role_is_asked_for(
    *, asked: bool, credentials: Keys | Ambient | Anonymous
) -> None:
    session = room._session(S3Settings(credentials=credentials))

    providers = session._session.get_component("credential_provider").providers
    assert ("iam-role" in {one.METHOD for one in providers}) is asked


def test_an_endpoint_in_the_surroundings_does_not_count_unless_the_settings_took_it_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://elsewhere:1")

    with client_for(S3Settings(credentials=KEYS)) as client:
        assert client.meta.endpoint_url == "https://s3.us-east-1.amazonaws.com"


def test_a_profile_that_is_not_there_is_an_invalid_spec(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody-has-this-profile")

    with pytest.raises(InvalidSpec):
        room.client(S3Settings(credentials=Ambient()))
