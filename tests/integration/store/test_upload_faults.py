"""What an upload does when storage fails, and how it asks for what it wants."""

import itertools
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from lathe_api.v1alpha1.storage import Encryption
from lathe_steps.errors import BadInput, Stopped, Transient
from lathe_steps.reasons import Reason
from lathe_worker.s3.store import S3Store
from tests.conformance.store import MIB, sha256
from tests.fault_server import (
    Break,
    Fault,
    FaultServer,
    Refuse,
)
from tests.faulty_storage import (
    BROKEN,
    DATA,
    KEY,
    OTHER,
    SIZE,
    SLOW_DOWN,
    URI,
    hurried,
    stops,
)


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
    faults: dict[str, list[Fault | None]], faulty: FaultServer, store: S3Store, tmp_path: Path
) -> None:
    (tmp_path / "new").write_bytes(OTHER)
    faulty.order(**faults)
    seen: list[int] = []

    up = store.upload(tmp_path / "new", URI, progress=seen.append)

    assert up.digest == sha256(OTHER)
    assert faulty.objects[KEY] == OTHER
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
    fault: Fault, kind: type[Stopped], reason: Reason, faulty: FaultServer, tmp_path: Path
) -> None:
    (tmp_path / "new").write_bytes(OTHER)
    faulty.order(PART=itertools.repeat(fault))

    with (
        closing(S3Store(replace(hurried(faulty.endpoint), upload_attempts=2))) as store,
        stops(kind, reason),
    ):
        store.upload(tmp_path / "new", URI)

    assert faulty.objects[KEY] == DATA
    assert faulty.uploads == {}
    assert faulty.counts()["ABORT"] == 1


def test_what_is_sent_is_signed_with_its_digest_and_carries_no_other_checksum(
    faulty: FaultServer, store: S3Store, tmp_path: Path
) -> None:
    (tmp_path / "new").write_bytes(OTHER)

    store.write_bytes("s3://models/small", b"small")
    store.upload(tmp_path / "new", URI)

    sent = [one for one in faulty.seen if one.operation in {"PUT", "PART"}]
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
    want: dict[str, str], encryption: Encryption | None, faulty: FaultServer, tmp_path: Path
) -> None:
    (tmp_path / "new").write_bytes(OTHER)
    encrypting = replace(hurried(faulty.endpoint), encryption=encryption)

    with closing(S3Store(encrypting)) as store:
        store.write_bytes("s3://models/small", b"small")
        store.upload(tmp_path / "new", URI)

    for one in faulty.seen:
        if one.operation in {"PUT", "CREATE"}:
            asked = {name: one.headers[name] for name in one.headers if "encryption" in name}
            assert asked == want
