"""S3Store keeps what a store promises, against a real server."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from lathe_api.v1alpha1.storage import Encryption
from lathe_steps.errors import BadInput
from lathe_steps.reasons import Reason
from lathe_worker.s3.settings import Anonymous, Keys, S3Settings
from lathe_worker.s3.store import S3Store
from lathe_worker.store import Store
from tests.conformance.store import StoreConformance, bytes_of, files_in
from tests.conformance.swapping import SwapConformance
from tests.s3_server import ADMIN, FETCHER, NOBODY, READER, Identity, S3Server

pytestmark = pytest.mark.s3


def settings_for(server: S3Server, identity: Identity = ADMIN) -> S3Settings:
    keys = Keys(identity.access_key, identity.secret_key)
    return S3Settings(endpoint=server.endpoint, credentials=keys)


@pytest.fixture
def space() -> str:
    return f"s3://models/{uuid.uuid4().hex}/"


@pytest.fixture(scope="module")
def ours(server: S3Server) -> Iterator[S3Store]:
    with closing(S3Store(settings_for(server))) as opened:
        yield opened


@pytest.fixture
def store(ours: S3Store) -> S3Store:
    return ours


class TestS3Store(StoreConformance, SwapConformance):
    @pytest.fixture
    def store(self, ours: S3Store) -> Store:
        return ours

    @pytest.fixture
    def space(self) -> str:
        return f"s3://models/{uuid.uuid4().hex}/"


def test_markers_of_folders_are_no_objects(store: S3Store, space: str, server: S3Server) -> None:
    key = space.removeprefix("s3://models/")
    with server.client() as client:
        client.put_object(Bucket="models", Key=f"{key}folder/", Body=b"")
    with pytest.raises(BadInput) as stopped:
        store.list(f"{space}folder/")
    assert stopped.value.reason is Reason.EMPTY_PREFIX

    store.write_bytes(f"{space}folder/model.onnx", b"")
    assert [one.name for one in store.list(space)] == ["folder/model.onnx"]


def test_a_listing_goes_on_to_its_last_page(store: S3Store, space: str, tmp_path: Path) -> None:
    for number in range(1100):
        (tmp_path / f"{number:04d}").write_bytes(b"")

    store.upload_all(tmp_path, space)

    assert [one.name for one in store.list(space)] == [f"{number:04d}" for number in range(1100)]


@pytest.mark.parametrize(
    ("identity", "ask"),
    [
        pytest.param(
            Identity("stranger", ()), lambda store, uri: store.stat(uri), id="an unknown key"
        ),
        pytest.param(NOBODY, lambda store, uri: store.stat(uri), id="no right to look"),
        pytest.param(NOBODY, lambda store, uri: store.exists(uri), id="no right to know"),
        pytest.param(
            NOBODY, lambda store, uri: store.read_bytes(uri, limit=9), id="no right to read"
        ),
        pytest.param(FETCHER, lambda store, uri: store.list(f"{uri}/"), id="no right to list"),
        pytest.param(
            READER, lambda store, uri: store.write_bytes(uri, b"x"), id="no right to write"
        ),
    ],
)
def test_a_missing_right_is_access_denied_that_names_the_object(
    identity: Identity,
    ask: Callable[[S3Store, str], object],
    server: S3Server,
    store: S3Store,
    space: str,
) -> None:
    store.write_bytes(f"{space}a", b"")

    with (
        closing(S3Store(settings_for(server, identity))) as theirs,
        pytest.raises(BadInput) as stopped,
    ):
        ask(theirs, f"{space}a")

    assert stopped.value.reason is Reason.ACCESS_DENIED
    assert f"{space}a" in stopped.value.message
    assert server.endpoint in stopped.value.message


def test_a_large_upload_without_the_right_is_access_denied(
    server: S3Server, space: str, tmp_path: Path
) -> None:
    (tmp_path / "big").write_bytes(bytes_of(20 * 1024 * 1024))

    with (
        closing(S3Store(settings_for(server, READER))) as theirs,
        pytest.raises(BadInput) as stopped,
    ):
        theirs.upload(tmp_path / "big", f"{space}big")

    assert stopped.value.reason is Reason.ACCESS_DENIED


def test_a_wrong_secret_key_is_access_denied(server: S3Server, space: str) -> None:
    settings = S3Settings(endpoint=server.endpoint, credentials=Keys(ADMIN.access_key, "wrong"))

    with closing(S3Store(settings)) as theirs, pytest.raises(BadInput) as stopped:
        theirs.read_bytes(f"{space}a", limit=9)

    assert stopped.value.reason is Reason.ACCESS_DENIED
    assert "wrong" not in repr(settings)


def test_nobody_in_particular_is_access_denied(server: S3Server, space: str) -> None:
    settings = S3Settings(endpoint=server.endpoint, credentials=Anonymous())

    with closing(S3Store(settings)) as theirs, pytest.raises(BadInput) as stopped:
        theirs.stat(f"{space}a")

    assert stopped.value.reason is Reason.ACCESS_DENIED


def test_one_object_needs_no_right_to_list(
    server: S3Server, store: S3Store, space: str, tmp_path: Path
) -> None:
    (tmp_path / "up").write_bytes(bytes_of(20 * 1024 * 1024))
    up = store.upload(tmp_path / "up", f"{space}a")

    with closing(S3Store(settings_for(server, FETCHER))) as theirs:
        down = theirs.download(f"{space}a", tmp_path / "down")

    assert down.digest == up.digest
    assert files_in(tmp_path) == {"up", "down"}


def test_what_is_written_is_encrypted_as_asked(
    server: S3Server, space: str, tmp_path: Path
) -> None:
    (tmp_path / "big").write_bytes(bytes_of(20 * 1024 * 1024))
    settings = S3Settings(
        endpoint=server.endpoint,
        credentials=Keys(ADMIN.access_key, ADMIN.secret_key),
        encryption=Encryption(type="AES256"),
    )
    with closing(S3Store(settings)) as store:
        store.write_bytes(f"{space}small", b"small")
        up = store.upload(tmp_path / "big", f"{space}big")
        down = store.download(up.object, tmp_path / "back")

    with server.client() as client:
        heads = [
            client.head_object(Bucket="models", Key=f"{space}{name}".removeprefix("s3://models/"))
            for name in ("small", "big")
        ]
    assert [head["ServerSideEncryption"] for head in heads] == ["AES256", "AES256"]
    assert down.digest == up.digest
