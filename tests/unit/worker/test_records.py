"""Finished steps in storage: the record is written last, and nothing in it is believed blindly."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lathe_api.plan import plan_of
from lathe_steps.base import Artifact, Format
from lathe_steps.errors import Internal
from lathe_worker.chain import PlannedStep, chain_of
from lathe_worker.kept import Mode
from lathe_worker.local_store import LocalStore
from lathe_worker.records import MARKER, Made, Records, StepRecord
from tests.builders import PRUNE, a_resource

KEY = "k" * 64
OUTPUT = "s3://artifacts/digits/"


@pytest.fixture
def planned() -> PlannedStep:
    plan = plan_of(a_resource().steps(PRUNE).parsed(), namespace="team", name="digits")
    return chain_of(plan, frozenset()).steps[0]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    folder = tmp_path / "made"
    (folder / "deep").mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "deep/architecture.json").write_bytes(b"{}")
    artifact = Artifact(Format.TORCH, folder, ("model.safetensors",), {"params": 5.5, "note": "x"})
    return Made(artifact, 2.5, {"torch": "2.15"})


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    return tmp_path / "storage/artifacts/digits/.steps" / KEY


def records(tmp_path: Path, mode: Mode = "ReadWrite") -> Records:
    return Records(LocalStore(tmp_path / "storage"), OUTPUT, mode)


def test_what_is_kept_is_found_and_restored(
    planned: PlannedStep, made: Made, tmp_path: Path
) -> None:
    committed = records(tmp_path).commit(planned, KEY, made)

    found = records(tmp_path).find(KEY)
    assert found == committed
    artifact = records(tmp_path).restore(found, tmp_path / "restored")
    assert artifact == replace(made.artifact, path=tmp_path / "restored")
    assert (tmp_path / "restored/deep/architecture.json").read_bytes() == b"{}"


def test_a_record_says_what_was_made(planned: PlannedStep, made: Made, tmp_path: Path) -> None:
    record = records(tmp_path).commit(planned, KEY, made)

    assert (record.name, record.kind, record.seconds, record.bytes) == ("prune", "prune", 2.5, 9)
    assert record.versions == {"torch": "2.15"}
    assert record.facts == {"params": 5.5, "note": "x"}


def test_files_without_a_record_are_no_step(
    planned: PlannedStep, made: Made, kept: Path, tmp_path: Path
) -> None:
    records(tmp_path).commit(planned, KEY, made)
    (kept / MARKER).unlink()

    assert records(tmp_path).find(KEY) is None


UNBELIEVABLE: dict[str, dict[str, object]] = {
    "is for another key": {"key": "other"},
    "speaks another protocol": {"protocol": 2},
    "names a file to load that is not among its files": {"entry": ["other"]},
    "names nothing to load": {"entry": []},
    "has no files": {"files": []},
}


@pytest.mark.parametrize("lie", UNBELIEVABLE.values(), ids=UNBELIEVABLE.keys())
def test_a_record_is_none_that(
    lie: dict[str, object], planned: PlannedStep, made: Made, kept: Path, tmp_path: Path
) -> None:
    records(tmp_path).commit(planned, KEY, made)
    document = json.loads((kept / MARKER).read_text())
    (kept / MARKER).write_text(json.dumps(document | lie))

    assert records(tmp_path).find(KEY) is None


def test_a_record_cannot_write_outside_of_the_workspace(
    planned: PlannedStep, made: Made, tmp_path: Path
) -> None:
    record = records(tmp_path).commit(planned, KEY, made)
    lie = record.files[0].model_copy(update={"name": "../outside"})

    lying = record.model_copy(update={"files": (lie, *record.files[1:])})

    assert records(tmp_path).restore(lying, tmp_path / "restored") is None
    assert not (tmp_path / "outside").exists()


def test_a_link_is_nothing_that_a_step_may_leave(
    planned: PlannedStep, made: Made, tmp_path: Path
) -> None:
    (made.artifact.path / "link").symlink_to("/etc/passwd")

    with pytest.raises(Internal):
        records(tmp_path).commit(planned, KEY, made)


@pytest.mark.parametrize("mode", ["Off", "Read"])
def test_a_mode_that_keeps_nothing_still_knows_what_was_made(
    mode: Mode, planned: PlannedStep, made: Made, kept: Path, tmp_path: Path
) -> None:
    record = records(tmp_path, mode).commit(planned, KEY, made)

    assert record.digest == records(tmp_path).commit(planned, KEY, made).digest
    assert isinstance(record, StepRecord)
    assert (records(tmp_path, mode).find(KEY) is None) == (mode == "Off")
    assert kept.exists()
