"""What the store does when storage fails: it goes on, or says why, and leaves nothing half done."""

import itertools
import random
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from e2e.localcluster import certificates
from lathe_api.v1alpha1.storage import Encryption
from lathe_steps.errors import BadInput, InvalidSpec, Stopped, Transient
from lathe_steps.reasons import Reason
from lathe_worker.patience import Patience
from lathe_worker.s3.settings import Ambient, Keys, S3Settings
from lathe_worker.s3.store import S3Store
from tests.conformance.store import MIB, bytes_of, files_in, sha256
from tests.fault_server import (
    Break,
    Fault,
    FaultServer,
    Flip,
    Page,
    Refuse,
    Replace,
    Shorten,
    Stall,
    WholeAnyway,
    fault_server,
)

URI = "s3://models/model.onnx"
KEY = "models/model.onnx"
SIZE = 20 * MIB + 3
PARTS = 3
DATA = bytes_of(SIZE)
OTHER = bytes_of(SIZE, seed=1)
SLOW_DOWN = Refuse(503, "SlowDown")
BUSY = Refuse(503, "ServiceUnavailable")
BROKEN = Refuse(500, "InternalError")


def settings(endpoint: str, *, patience: float = 1.0, ca: Path | None = None) -> S3Settings:
    hurried = Patience(patience, first_pause=0.01, longest_pause=0.05)
    return S3Settings(
        endpoint=endpoint,
        credentials=Keys("key", "secret"),
        ca_bundle=ca,
        connections=4,
        upload_attempts=2,
        connect_timeout=1.0,
        read_timeout=0.4,
        patience=hurried,
        first_patience=hurried,
    )


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with fault_server({KEY: DATA}) as running:
        yield running


@pytest.fixture
def store(server: FaultServer) -> Iterator[S3Store]:
    with closing(S3Store(settings(server.endpoint))) as opened:
        yield opened


@contextmanager
def stops(kind: type[Stopped], reason: Reason, *names: str) -> Iterator[None]:
    """The block ends with this class and reason, and one line that names what is concerned."""
    with pytest.raises(kind) as stopped:
        yield
    assert type(stopped.value) is kind
    assert stopped.value.reason is reason
    assert [name for name in names if name not in stopped.value.message] == []
    assert "\n" not in stopped.value.message


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param([Break(0)], id="closed before the first byte"),
        pytest.param([Break(3 * MIB)], id="closed in the middle of a part"),
        pytest.param([Break(3 * MIB, reset=True)], id="reset in the middle of a part"),
        pytest.param([Break(MIB, reset=True)] * PARTS, id="every part reset"),
        pytest.param([Break(8 * MIB - 1)] * 2, id="closed one byte before the end"),
        pytest.param([Shorten(MIB)] * 2, id="short, and claiming to be whole"),
        pytest.param([Shorten(0)], id="empty, and claiming to be whole"),
        pytest.param([Stall(MIB), None, Stall(0)], id="stalled"),
        pytest.param([SLOW_DOWN, BROKEN, BUSY, SLOW_DOWN], id="a burst of errors"),
        pytest.param([Refuse(400, "RequestTimeout")], id="a time-out under another status"),
        pytest.param([Refuse(429, "TooManyRequests")], id="too many requests"),
        pytest.param([WholeAnyway()], id="the whole object once, in spite of the range"),
        pytest.param([Page(502)], id="a gateway's page"),
    ],
)
def test_a_download_survives(
    faults: list[Fault | None], server: FaultServer, store: S3Store, tmp_path: Path
) -> None:
    server.order(GET=faults)

    down = store.download(URI, tmp_path / "a")

    assert down.digest == sha256(DATA)
    assert (tmp_path / "a").read_bytes() == DATA
    assert files_in(tmp_path) == {"a"}


def test_a_part_that_breaks_off_goes_on_where_it_broke(
    server: FaultServer, store: S3Store, tmp_path: Path
) -> None:
    server.order(GET=[Break(5 * MIB)])  # of whichever part comes first; the last has less
    seen: list[int] = []

    store.download(URI, tmp_path / "a", progress=seen.append)

    assert server.counts() == {"HEAD": 1, "GET": PARTS + 1}
    starts = [int(one.headers["range"][6:].split("-")[0]) for one in server.seen[1:]]
    (again,) = set(starts) - {0, 8 * MIB, 16 * MIB}
    assert again % (8 * MIB) == 5 * MIB
    assert seen[-1] == SIZE
    assert seen == sorted(seen)


def test_a_download_without_faults_asks_once_for_each_part(
    server: FaultServer, store: S3Store, tmp_path: Path
) -> None:
    store.download(store.stat(URI), tmp_path / "a")

    assert server.counts() == {"HEAD": 1, "GET": PARTS}


def test_a_transfer_that_moves_is_never_given_up(server: FaultServer, tmp_path: Path) -> None:
    server.order(GET=itertools.repeat(Break(MIB)))
    impatient = settings(server.endpoint, patience=0.05)

    with closing(S3Store(impatient)) as store:
        down = store.download(URI, tmp_path / "a")

    assert down.digest == sha256(DATA)
    assert server.counts()["GET"] > SIZE // MIB


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5], ids=lambda share: f"{share:.0%} of requests")
def test_many_objects_survive_a_burst_of_errors(
    share: float, server: FaultServer, store: S3Store, tmp_path: Path
) -> None:
    chance = random.Random(share)  # noqa: S311 - a seed, so that the burst is the same each time
    content = {f"{number:03d}": bytes_of(1000 + number, number) for number in range(100)}
    server.objects |= {f"models/many/{name}": data for name, data in content.items()}
    kinds: list[Fault] = [SLOW_DOWN, BROKEN, Break(500), Break(500, reset=True), Shorten(10)]

    def burst() -> Iterable[Fault | None]:
        while True:
            yield chance.choice(kinds) if chance.random() < share else None

    server.order(GET=burst(), LIST=[SLOW_DOWN, BROKEN])

    down = store.download_all(store.list("s3://models/many/"), tmp_path)

    assert {one.object.name: one.digest for one in down} == {
        name: sha256(data) for name, data in content.items()
    }
    assert files_in(tmp_path) == set(content)


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
    ask: Callable[[S3Store, Path], object], server: FaultServer, store: S3Store, tmp_path: Path
) -> None:
    operations = ("HEAD", "LIST", "GET", "PUT")
    passing: list[Fault | None] = [BUSY, SLOW_DOWN, Break(0)]
    server.order(**dict.fromkeys(operations, passing))
    ask(store, tmp_path / "a")
    (tmp_path / "a").unlink(missing_ok=True)

    server.order(**dict.fromkeys(operations, itertools.repeat(BUSY)))
    with stops(Transient, Reason.STORAGE_UNAVAILABLE, server.endpoint):
        ask(store, tmp_path / "a")

    assert files_in(tmp_path) == set()


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        pytest.param(Refuse(403, "AccessDenied"), Reason.ACCESS_DENIED, id="access is withdrawn"),
        pytest.param(Refuse(400, "ExpiredToken"), Reason.ACCESS_DENIED, id="the token expires"),
        pytest.param(Refuse(404, "NoSuchKey"), Reason.OBJECT_NOT_FOUND, id="it is deleted"),
        pytest.param(Refuse(400, "KMS.DisabledException"), Reason.STORAGE_REFUSED, id="KMS"),
        pytest.param(Refuse(405, "MethodNotAllowed"), Reason.STORAGE_REFUSED, id="a clone's no"),
    ],
)
def test_what_cannot_pass_ends_a_download_at_once(
    fault: Fault, reason: Reason, server: FaultServer, store: S3Store, tmp_path: Path
) -> None:
    server.order(GET=[None, fault])

    with stops(BadInput, reason, URI):
        store.download(URI, tmp_path / "a")

    assert server.counts()["GET"] <= PARTS
    assert files_in(tmp_path) == set()


def test_a_flipped_bit_is_a_digest_mismatch_when_the_digest_is_known(
    server: FaultServer, store: S3Store, tmp_path: Path
) -> None:
    server.order(GET=[None, Flip(4711)])

    with stops(BadInput, Reason.DIGEST_MISMATCH, URI, sha256(DATA)):
        store.download(URI, tmp_path / "a", expect=sha256(DATA))

    assert files_in(tmp_path) == set()


@pytest.mark.parametrize("heed", [True, False], ids=["412", "a server that ignores If-Match"])
class TestAnObjectThatIsReplacedWhileItIsRead:
    def test_is_fetched_anew_once_when_it_was_named_by_its_address(
        self, *, heed: bool, server: FaultServer, store: S3Store, tmp_path: Path
    ) -> None:
        server.order(GET=[None, Replace(OTHER, heed)])

        down = store.download(URI, tmp_path / "a")

        assert down.digest == sha256(OTHER)
        assert files_in(tmp_path) == {"a"}

    def test_is_object_changed_when_it_changes_again(
        self, *, heed: bool, server: FaultServer, store: S3Store, tmp_path: Path
    ) -> None:
        news = (Replace(bytes_of(SIZE, seed), heed) for seed in itertools.count(2))
        server.order(GET=news)

        with stops(Transient, Reason.OBJECT_CHANGED, URI):
            store.download(URI, tmp_path / "a")

        assert server.counts()["HEAD"] == 2
        assert files_in(tmp_path) == set()

    def test_is_object_changed_when_that_version_was_asked_for(
        self, *, heed: bool, server: FaultServer, store: S3Store, tmp_path: Path
    ) -> None:
        server.order(GET=[None, Replace(OTHER, heed)])
        version = store.stat(URI)

        with stops(Transient, Reason.OBJECT_CHANGED, URI):
            store.download(version, tmp_path / "a")

        assert files_in(tmp_path) == set()


@pytest.mark.parametrize(
    "operation",
    [
        pytest.param(lambda store, _: store.list("s3://models/"), id="listing"),
        pytest.param(lambda store, to: store.download(URI, to), id="downloading"),
    ],
)
def test_a_server_that_does_not_speak_s3_is_storage_unavailable(
    operation: Callable[[S3Store, Path], object],
    server: FaultServer,
    store: S3Store,
    tmp_path: Path,
) -> None:
    server.order(LIST=itertools.repeat(Page()), GET=itertools.repeat(WholeAnyway()))

    with stops(Transient, Reason.STORAGE_UNAVAILABLE, server.endpoint):
        operation(store, tmp_path / "a")

    assert files_in(tmp_path) == set()


def test_an_endpoint_where_nobody_listens_is_storage_unavailable(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        endpoint = f"http://127.0.0.1:{listener.getsockname()[1]}"

    with (
        closing(S3Store(settings(endpoint, patience=0.2))) as store,
        stops(Transient, Reason.STORAGE_UNAVAILABLE, endpoint),
    ):
        store.download(URI, tmp_path / "a")


def test_an_endpoint_without_an_address_is_storage_unavailable() -> None:
    endpoint = "http://storage.invalid:9000"

    with (
        closing(S3Store(settings(endpoint, patience=0.2))) as store,
        stops(Transient, Reason.STORAGE_UNAVAILABLE, endpoint),
    ):
        store.list("s3://models/")


def test_surroundings_without_credentials_are_access_denied(
    server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    ambient = replace(settings(server.endpoint), credentials=Ambient())

    with (
        closing(S3Store(ambient)) as store,
        stops(BadInput, Reason.ACCESS_DENIED, URI, server.endpoint),
    ):
        store.stat(URI)

    assert server.seen == []


def test_one_failure_among_many_leaves_whole_files_only(
    server: FaultServer, store: S3Store, tmp_path: Path
) -> None:
    content = {f"{number:02d}": bytes_of(1000, number) for number in range(40)}
    server.objects |= {f"models/many/{name}": data for name, data in content.items()}
    found = store.list("s3://models/many/")
    server.order(GET=[*[None] * 20, Refuse(403, "AccessDenied")])

    with stops(BadInput, Reason.ACCESS_DENIED, "s3://models/many/"):
        store.download_all(found, tmp_path)

    left = files_in(tmp_path)
    assert left < set(content)
    assert all((tmp_path / name).read_bytes() == content[name] for name in left)


PROGRAM = """
import signal, sys
from pathlib import Path
from lathe_worker.s3.settings import Keys, S3Settings
from lathe_worker.s3.store import S3Store

way, endpoint, uri, path = sys.argv[1:]
signal.signal(signal.SIGTERM, lambda *_: sys.exit(40))
settings = S3Settings(endpoint=endpoint, credentials=Keys("key", "secret"), read_timeout=1)
store = S3Store(settings)
store.download(uri, Path(path)) if way == "down" else store.upload(Path(path), uri)
"""


class TestAWorkerThatIsEndedInTheMiddle:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "file"

    def end(self, way: str, path: Path, server: FaultServer, by: signal.Signals) -> int:
        """Start a worker, end it when all its parts are under way, and say how it went."""
        server.order(GET=[None, Stall(MIB), Stall(MIB)], PART=[None, Stall()])
        command = (sys.executable, "-c", PROGRAM, way, server.endpoint, URI, str(path))
        with subprocess.Popen(command, stderr=subprocess.PIPE) as worker:
            if way == "down":
                server.await_seen("GET", 3)
            else:
                server.await_seen("PART", 2)
            worker.send_signal(by)
            worker.communicate(timeout=30)
        return worker.returncode

    def test_by_force_leaves_no_file_under_its_name(self, path: Path, server: FaultServer) -> None:
        assert self.end("down", path, server, signal.SIGKILL) == -signal.SIGKILL
        assert not path.exists()

    def test_by_request_leaves_nothing_at_all(self, path: Path, server: FaultServer) -> None:
        assert self.end("down", path, server, signal.SIGTERM) == 40
        assert files_in(path.parent) == set()

    def test_by_force_leaves_the_object_as_it_was(self, path: Path, server: FaultServer) -> None:
        path.write_bytes(OTHER)

        assert self.end("up", path, server, signal.SIGKILL) == -signal.SIGKILL
        assert server.objects[KEY] == DATA

    def test_by_request_takes_back_what_was_sent(self, path: Path, server: FaultServer) -> None:
        path.write_bytes(OTHER)

        assert self.end("up", path, server, signal.SIGTERM) == 40
        assert server.objects[KEY] == DATA
        assert server.uploads == {}


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param({"CREATE": [SLOW_DOWN]}, id="an error when it is begun"),
        pytest.param({"PART": [SLOW_DOWN, BROKEN]}, id="errors of parts"),
        pytest.param({"PART": [Break()]}, id="a part whose connection breaks"),
        pytest.param({"COMPLETE": [BROKEN]}, id="an error when it is completed"),
        pytest.param({"COMPLETE": [Refuse(200, "InternalError")]}, id="an error that says 200"),
    ],
)
def test_a_large_upload_survives(
    faults: dict[str, list[Fault | None]], server: FaultServer, store: S3Store, tmp_path: Path
) -> None:
    (tmp_path / "new").write_bytes(OTHER)
    server.order(**faults)
    seen: list[int] = []

    up = store.upload(tmp_path / "new", URI, progress=seen.append)

    assert up.digest == sha256(OTHER)
    assert server.objects[KEY] == OTHER
    assert seen[-1] == SIZE


@pytest.mark.parametrize(
    ("fault", "kind", "reason"),
    [
        pytest.param(SLOW_DOWN, Transient, Reason.STORAGE_UNAVAILABLE, id="an outage"),
        pytest.param(Break(), Transient, Reason.STORAGE_UNAVAILABLE, id="broken connections"),
        pytest.param(
            Refuse(403, "AccessDenied"), BadInput, Reason.ACCESS_DENIED, id="no right to write"
        ),
        pytest.param(
            Refuse(404, "NoSuchBucket"), BadInput, Reason.OBJECT_NOT_FOUND, id="no such bucket"
        ),
        pytest.param(
            Refuse(404, "NoSuchUpload"), Transient, Reason.STORAGE_UNAVAILABLE, id="it is aborted"
        ),
        pytest.param(
            Refuse(400, "KMS.NotFoundException"),
            BadInput,
            Reason.STORAGE_REFUSED,
            id="no such key",
        ),
    ],
)
def test_an_upload_that_fails_leaves_the_object_as_it_was(
    fault: Fault,
    kind: type[Stopped],
    reason: Reason,
    server: FaultServer,
    store: S3Store,
    tmp_path: Path,
) -> None:
    (tmp_path / "new").write_bytes(OTHER)
    server.order(PART=itertools.repeat(fault))

    with stops(kind, reason):
        store.upload(tmp_path / "new", URI)

    assert server.objects[KEY] == DATA
    assert server.uploads == {}
    assert server.counts()["ABORT"] == 1


def test_what_is_sent_is_signed_with_its_digest_and_carries_no_other_checksum(
    server: FaultServer, store: S3Store, tmp_path: Path
) -> None:
    (tmp_path / "new").write_bytes(OTHER)

    store.write_bytes("s3://models/small", b"small")
    store.upload(tmp_path / "new", URI)

    sent = [one for one in server.seen if one.operation in {"PUT", "PART"}]
    digests = {one.headers["x-amz-content-sha256"] for one in sent}
    want = [b"small", OTHER[: 16 * MIB], OTHER[16 * MIB :]]
    assert digests == {sha256(data).removeprefix("sha256:") for data in want}
    assert {name for one in sent for name in one.headers if "checksum" in name} == set()


@pytest.mark.parametrize(
    ("want", "encryption"),
    [
        pytest.param({}, None, id="as the bucket says"),
        pytest.param(
            {"x-amz-server-side-encryption": "AES256"}, Encryption(type="AES256"), id="AES256"
        ),
        pytest.param({"x-amz-server-side-encryption": "aws:kms"}, Encryption(type="KMS"), id="KMS"),
        pytest.param(
            {
                "x-amz-server-side-encryption": "aws:kms",
                "x-amz-server-side-encryption-aws-kms-key-id": "alias/models",
            },
            Encryption(type="KMS", key_id="alias/models"),
            id="KMS with a key of one's own",
        ),
    ],
)
def test_what_is_written_asks_for_its_encryption(
    want: dict[str, str], encryption: Encryption | None, server: FaultServer, tmp_path: Path
) -> None:
    (tmp_path / "new").write_bytes(OTHER)
    encrypting = replace(settings(server.endpoint), encryption=encryption)

    with closing(S3Store(encrypting)) as store:
        store.write_bytes("s3://models/small", b"small")
        store.upload(tmp_path / "new", URI)

    for one in server.seen:
        if one.operation in {"PUT", "CREATE"}:
            asked = {name: one.headers[name] for name in one.headers if "encryption" in name}
            assert asked == want


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
        trusting = settings(secure.endpoint, ca=authority.certificate)
        with closing(S3Store(trusting)) as store:
            assert store.download(URI, tmp_path / "a").digest == sha256(DATA)
            store.write_bytes(URI, b"new")

        assert secure.objects[KEY] == b"new"

    def test_an_unknown_authority_is_not(self, secure: FaultServer) -> None:
        with (
            closing(S3Store(settings(secure.endpoint))) as store,
            stops(InvalidSpec, Reason.UNTRUSTED_ENDPOINT, secure.endpoint),
        ):
            store.stat(URI)

    def test_a_bundle_that_is_not_there_is_an_invalid_spec(self, tmp_path: Path) -> None:
        with stops(InvalidSpec, Reason.INVALID_SPEC, str(tmp_path / "ca.crt")):
            S3Store(settings("https://127.0.0.1:1", ca=tmp_path / "ca.crt"))


def test_nothing_is_asked_before_there_is_need(server: FaultServer) -> None:
    with closing(S3Store(settings(server.endpoint))):
        pass

    assert server.seen == []
