"""What a download does when storage fails: it goes on or says why, and leaves nothing half done."""

import itertools
import random
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from lathe_steps.errors import BadInput, Transient
from lathe_steps.reasons import Reason
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
)
from tests.faulty_storage import (
    BROKEN,
    BUSY,
    DATA,
    OTHER,
    PARTS,
    SIZE,
    SLOW_DOWN,
    URI,
    hurried,
    stops,
)


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
        pytest.param([SLOW_DOWN, BROKEN, BUSY, SLOW_DOWN], id="a burst of errors"),
        pytest.param([Refuse(400, "RequestTimeout")], id="a time-out under another status"),
        pytest.param([Refuse(429, "TooManyRequests")], id="too many requests"),
        pytest.param([WholeAnyway()], id="the whole object once, in spite of the range"),
        pytest.param([Page(502)], id="a gateway's page"),
    ],
)
def test_a_download_survives(
    faults: list[Fault | None], faulty: FaultServer, store: S3Store, tmp_path: Path
) -> None:
    faulty.order(GET=faults)

    down = store.download(URI, tmp_path / "a")

    assert down.digest == sha256(DATA)
    assert (tmp_path / "a").read_bytes() == DATA
    assert files_in(tmp_path) == {"a"}


def test_a_download_that_stalls_goes_on_after_the_read_timeout(
    faulty: FaultServer, tmp_path: Path
) -> None:
    faulty.order(GET=[Stall(MIB), None, Stall(0)])

    with closing(S3Store(replace(hurried(faulty.endpoint), read_timeout=0.5))) as store:
        down = store.download(store.stat(URI), tmp_path / "a")

    assert down.digest == sha256(DATA)
    assert files_in(tmp_path) == {"a"}


def test_a_part_that_breaks_off_goes_on_where_it_broke(
    faulty: FaultServer, store: S3Store, tmp_path: Path
) -> None:
    faulty.order(GET=[Break(3 * MIB)])
    seen: list[int] = []

    store.download(URI, tmp_path / "a", progress=seen.append)

    assert faulty.counts() == {"HEAD": 1, "GET": PARTS + 1}
    starts = [int(one.headers["range"][6:].split("-")[0]) for one in faulty.seen[1:]]
    (again,) = set(starts) - {0, 8 * MIB, 16 * MIB}
    assert again % (8 * MIB) == 3 * MIB
    assert seen[-1] == SIZE
    assert seen == sorted(seen)


def test_a_download_without_faults_asks_once_for_each_part(
    faulty: FaultServer, store: S3Store, tmp_path: Path
) -> None:
    store.download(store.stat(URI), tmp_path / "a")

    assert faulty.counts() == {"HEAD": 1, "GET": PARTS}


def test_a_transfer_that_moves_is_never_given_up(faulty: FaultServer, tmp_path: Path) -> None:
    faulty.order(GET=itertools.repeat(Break(MIB)))
    impatient = hurried(faulty.endpoint, patience=0.05)

    with closing(S3Store(impatient)) as store:
        down = store.download(URI, tmp_path / "a")

    assert down.digest == sha256(DATA)
    assert faulty.counts()["GET"] > SIZE // MIB


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5], ids=lambda share: f"{share:.0%} of requests")
def test_many_objects_survive_a_burst_of_errors(
    share: float, faulty: FaultServer, store: S3Store, tmp_path: Path
) -> None:
    chance = random.Random(share)  # noqa: S311 - a seed, so that the burst is the same each time
    content = {f"{number:03d}": bytes_of(1000 + number, number) for number in range(100)}
    faulty.objects |= {f"models/many/{name}": data for name, data in content.items()}
    kinds: list[Fault] = [SLOW_DOWN, BROKEN, Break(500), Break(500, reset=True), Shorten(10)]

    def burst() -> Iterable[Fault | None]:
        while True:
            yield chance.choice(kinds) if chance.random() < share else None

    faulty.order(GET=burst(), LIST=[SLOW_DOWN, BROKEN])

    down = store.download_all(store.list("s3://models/many/"), tmp_path)

    assert {one.object.name: one.digest for one in down} == {
        name: sha256(data) for name, data in content.items()
    }
    assert files_in(tmp_path) == set(content)


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
    fault: Fault, reason: Reason, faulty: FaultServer, store: S3Store, tmp_path: Path
) -> None:
    faulty.order(GET=[None, fault])

    with stops(BadInput, reason, URI):
        store.download(URI, tmp_path / "a")

    assert faulty.counts()["GET"] <= PARTS
    assert files_in(tmp_path) == set()


def test_a_flipped_bit_is_a_digest_mismatch_when_the_digest_is_known(
    faulty: FaultServer, store: S3Store, tmp_path: Path
) -> None:
    faulty.order(GET=[None, Flip(4711)])

    with stops(BadInput, Reason.DIGEST_MISMATCH, URI, sha256(DATA)):
        store.download(URI, tmp_path / "a", expect=sha256(DATA))

    assert files_in(tmp_path) == set()


@pytest.mark.parametrize("heed", [True, False], ids=["412", "a server that ignores If-Match"])
class TestAnObjectThatIsReplacedWhileItIsRead:
    def test_is_fetched_anew_once_when_it_was_named_by_its_address(
        self, *, heed: bool, faulty: FaultServer, store: S3Store, tmp_path: Path
    ) -> None:
        faulty.order(GET=[None, Replace(OTHER, heed)])

        down = store.download(URI, tmp_path / "a")

        assert down.digest == sha256(OTHER)
        assert files_in(tmp_path) == {"a"}

    def test_is_object_changed_when_it_changes_again(
        self, *, heed: bool, faulty: FaultServer, store: S3Store, tmp_path: Path
    ) -> None:
        news = (Replace(bytes_of(SIZE, seed), heed) for seed in itertools.count(2))
        faulty.order(GET=news)

        with stops(Transient, Reason.OBJECT_CHANGED, URI):
            store.download(URI, tmp_path / "a")

        assert faulty.counts()["HEAD"] == 2
        assert files_in(tmp_path) == set()

    def test_is_object_changed_when_that_version_was_asked_for(
        self, *, heed: bool, faulty: FaultServer, store: S3Store, tmp_path: Path
    ) -> None:
        faulty.order(GET=[None, Replace(OTHER, heed)])
        version = store.stat(URI)

        with stops(Transient, Reason.OBJECT_CHANGED, URI):
            store.download(version, tmp_path / "a")

        assert files_in(tmp_path) == set()


def test_one_failure_among_many_leaves_whole_files_only(
    faulty: FaultServer, store: S3Store, tmp_path: Path
) -> None:
    content = {f"{number:02d}": bytes_of(1000, number) for number in range(40)}
    faulty.objects |= {f"models/many/{name}": data for name, data in content.items()}
    found = store.list("s3://models/many/")
    faulty.order(GET=[*[None] * 20, Refuse(403, "AccessDenied")])

    with stops(BadInput, Reason.ACCESS_DENIED, "s3://models/many/"):
        store.download_all(found, tmp_path)

    left = files_in(tmp_path)
    assert left < set(content)
    assert all((tmp_path / name).read_bytes() == content[name] for name in left)
