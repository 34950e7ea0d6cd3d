"""What the store says of an endpoint that is out of order, misspelt, strange or untrusted."""

import itertools
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from e2e.localcluster import certificates
from lathe_steps.errors import BadInput, InvalidSpec, Transient
from lathe_steps.reasons import Reason
from lathe_worker.s3.settings import Ambient
from lathe_worker.s3.store import S3Store
from tests.conformance.store import files_in, sha256
from tests.fault_server import (
    Break,
    Fault,
    FaultServer,
    Page,
    WholeAnyway,
    fault_server,
)
from tests.faulty_storage import (
    BUSY,
    DATA,
    KEY,
    SIZE,
    SLOW_DOWN,
    URI,
    hurried,
    stops,
)


def test_nothing_is_asked_before_there_is_need(faulty: FaultServer) -> None:
    with closing(S3Store(hurried(faulty.endpoint))):
        pass

    assert faulty.seen == []


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda store, _: store.stat(URI), id="HEAD"),
        pytest.param(lambda store, _: store.list("s3://models/"), id="LIST"),
        pytest.param(lambda store, _: store.read_bytes(URI, limit=SIZE), id="GET of a record"),
        pytest.param(lambda store, to: store.download(URI, to), id="GET in parts"),
        pytest.param(lambda store, _: store.write_bytes(URI, b"new"), id="PUT"),
    ],
)
def test_an_outage_that_ends_is_waited_for_and_one_that_does_not_is_storage_unavailable(
    ask: Callable[[S3Store, Path], object], faulty: FaultServer, store: S3Store, tmp_path: Path
) -> None:
    operations = ("HEAD", "LIST", "GET", "PUT")
    passing: list[Fault | None] = [BUSY, SLOW_DOWN, Break(0)]
    faulty.order(**dict.fromkeys(operations, passing))
    ask(store, tmp_path / "a")
    (tmp_path / "a").unlink(missing_ok=True)

    faulty.order(**dict.fromkeys(operations, itertools.repeat(BUSY)))
    with (
        closing(S3Store(hurried(faulty.endpoint, patience=0.5))) as impatient,
        stops(Transient, Reason.STORAGE_UNAVAILABLE, faulty.endpoint),
    ):
        ask(impatient, tmp_path / "a")

    assert files_in(tmp_path) == set()


@pytest.mark.parametrize(
    "operation",
    [
        pytest.param(lambda store, _: store.list("s3://models/"), id="listing"),
        pytest.param(lambda store, to: store.download(URI, to), id="downloading"),
    ],
)
def test_a_server_that_does_not_speak_s3_is_storage_unavailable(
    operation: Callable[[S3Store, Path], object], faulty: FaultServer, tmp_path: Path
) -> None:
    faulty.order(LIST=itertools.repeat(Page()), GET=itertools.repeat(WholeAnyway()))

    with (
        closing(S3Store(hurried(faulty.endpoint, patience=0.5))) as store,
        stops(Transient, Reason.STORAGE_UNAVAILABLE, faulty.endpoint),
    ):
        operation(store, tmp_path / "a")

    assert files_in(tmp_path) == set()


def test_an_endpoint_where_nobody_listens_is_storage_unavailable(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"

    with (
        closing(S3Store(hurried(endpoint, patience=0.2))) as store,
        stops(Transient, Reason.STORAGE_UNAVAILABLE, endpoint),
    ):
        store.download(URI, tmp_path / "a")


def test_an_endpoint_without_an_address_is_storage_unavailable() -> None:
    endpoint = "http://storage.invalid:9000"

    with (
        closing(S3Store(hurried(endpoint, patience=0.2))) as store,
        stops(Transient, Reason.STORAGE_UNAVAILABLE, endpoint),
    ):
        store.list("s3://models/")


def test_surroundings_without_credentials_are_access_denied(
    faulty: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    ambient = replace(hurried(faulty.endpoint), credentials=Ambient())

    with (
        closing(S3Store(ambient)) as store,
        stops(BadInput, Reason.ACCESS_DENIED, URI, faulty.endpoint),
    ):
        store.stat(URI)

    assert faulty.seen == []


class TestTLS:
    @pytest.fixture
    def authority(self, tmp_path: Path) -> certificates.KeyPair:
        return certificates.authority(tmp_path)

    @pytest.fixture
    def secure(self, authority: certificates.KeyPair) -> Iterator[FaultServer]:
        pair = certificates.issue(authority, "s3", "/CN=s3", alternatives=["IP:127.0.0.1"])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)
        with fault_server({KEY: DATA}, tls=context) as running:
            yield running

    def test_the_named_authority_is_trusted(
        self, authority: certificates.KeyPair, secure: FaultServer, tmp_path: Path
    ) -> None:
        trusting = hurried(secure.endpoint, ca=authority.certificate)
        with closing(S3Store(trusting)) as store:
            assert store.download(URI, tmp_path / "a").digest == sha256(DATA)
            store.write_bytes(URI, b"new")

        assert secure.objects[KEY] == b"new"

    def test_an_unknown_authority_is_not(self, secure: FaultServer) -> None:
        with (
            closing(S3Store(hurried(secure.endpoint))) as store,
            stops(InvalidSpec, Reason.UNTRUSTED_ENDPOINT, secure.endpoint),
        ):
            store.stat(URI)

    def test_a_bundle_that_is_not_there_is_an_invalid_spec(self, tmp_path: Path) -> None:
        with stops(InvalidSpec, Reason.INVALID_SPEC, str(tmp_path / "ca.crt")):
            S3Store(hurried("https://127.0.0.1:1", ca=tmp_path / "ca.crt"))
