"""A step that takes long goes on where a killed attempt was, or begins anew; never in between."""

import json
from pathlib import Path

import pytest

from lathe_steps.errors import Internal, Transient
from lathe_steps.reasons import ExitCode, Reason
from lathe_worker.checkpoints import POINTER, Checkpoint
from lathe_worker.local_store import LocalStore
from tests.fake_bench import FakeBench
from tests.worker_runs import Yard, a_run

FOLDER = "s3://artifacts/digits/.steps/key/"
KILLED = {"distill": Internal("killed")}


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    (tmp_path / "storage" / "artifacts").mkdir(parents=True)
    return LocalStore(tmp_path / "storage")


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path)


def saved(folder: Path, content: str) -> Path:
    made = folder / content
    made.mkdir()
    (made / "weights").write_text(content)
    return made


def found(store: LocalStore, into: Path) -> str | None:
    into.mkdir()
    folder = Checkpoint(store, FOLDER, "ReadWrite").restore(into)
    return (folder / "weights").read_text() if folder else None


def test_what_was_saved_last_is_found_again(store: LocalStore, tmp_path: Path) -> None:
    checkpoint = Checkpoint(store, FOLDER, "ReadWrite")
    for content in ("first", "second", "third"):
        checkpoint.keep(saved(tmp_path, content))

        assert found(store, tmp_path / f"after-{content}") == content


def test_what_was_kept_is_taken_out_of_the_workspace(store: LocalStore, tmp_path: Path) -> None:
    folder = saved(tmp_path, "first")

    Checkpoint(store, FOLDER, "ReadWrite").keep(folder)

    assert not folder.exists()


def test_one_that_was_cut_off_while_it_was_written_leaves_the_one_before(
    store: LocalStore, tmp_path: Path
) -> None:
    checkpoint = Checkpoint(store, FOLDER, "ReadWrite")
    checkpoint.keep(saved(tmp_path, "whole"))
    for slot in ("a", "b"):
        if not store.exists(f"{FOLDER}checkpoint-{slot}/weights"):
            store.write_bytes(f"{FOLDER}checkpoint-{slot}/weights", b"hal")

    assert found(store, tmp_path / "again") == "whole"


def test_an_attempt_that_goes_on_spares_what_it_went_on_from(
    store: LocalStore, tmp_path: Path
) -> None:
    Checkpoint(store, FOLDER, "ReadWrite").keep(saved(tmp_path, "first"))
    second = Checkpoint(store, FOLDER, "ReadWrite")
    (tmp_path / "into").mkdir()
    second.restore(tmp_path / "into")

    second.keep(saved(tmp_path, "second"))

    kept = {path.read_text() for path in tmp_path.rglob("checkpoint-*/weights")}
    assert kept == {"first", "second"}


@pytest.mark.parametrize("damage", ["changed", "lost", "no record"])
def test_a_damaged_one_is_none(store: LocalStore, tmp_path: Path, damage: str) -> None:
    Checkpoint(store, FOLDER, "ReadWrite").keep(saved(tmp_path, "first"))
    (weights,) = tmp_path.rglob("checkpoint-*/weights")
    match damage:
        case "changed":
            weights.write_text("other")
        case "lost":
            weights.unlink()
        case _:
            store.write_bytes(f"{FOLDER}{POINTER}", b"{")

    assert found(store, tmp_path / "again") is None


def test_a_step_that_was_killed_goes_on_with_what_it_saved(yard: Yard) -> None:
    yard.run(bench=FakeBench(stops=KILLED))
    bench = FakeBench()

    assert yard.run(bench=bench).exit_code == ExitCode.OK
    assert bench.resumed["distill"] == "half of distill;"


def test_a_step_with_other_parameters_begins_anew(yard: Yard) -> None:
    yard.run(bench=FakeBench(stops=KILLED))
    bench = FakeBench()
    other = a_run()
    other.spec["steps"][1] = {"distill": {"dataset": "train", "epochs": 7}}

    yard.run(other, bench)

    assert bench.resumed["distill"] == ""


@pytest.mark.parametrize(("mode", "there"), [("Off", ""), ("Read", "half of distill;")])
def test_the_cache_mode_holds_for_checkpoints_too(yard: Yard, mode: str, there: str) -> None:
    yard.run(bench=FakeBench(stops=KILLED))
    before = {p: p.read_bytes() for p in yard.output.glob(f".steps/*/{POINTER}")}
    bench = FakeBench(stops=KILLED)

    yard.run(a_run().with_(run={"cache": mode}), bench)

    assert bench.resumed["distill"] == there
    assert before == {p: p.read_bytes() for p in yard.output.glob(f".steps/*/{POINTER}")}


def test_storage_that_fails_while_a_checkpoint_is_kept_ends_the_attempt(yard: Yard) -> None:
    class Full(LocalStore):
        def write_bytes(self, uri: str, data: bytes):  # type: ignore[no-untyped-def] # noqa: ANN202
            if uri.endswith(POINTER):
                raise Transient("full", reason=Reason.DISK_FULL)
            return super().write_bytes(uri, data)

    outcome = yard.run(store=Full(yard.storage))

    assert outcome.failure is not None
    assert outcome.failure.reason is Reason.DISK_FULL
    assert yard.run().exit_code == ExitCode.OK


def test_evidence_is_kept_with_its_step(yard: Yard) -> None:
    yard.run()

    (manifest,) = yard.manifests()
    titles = {e["title"] for step in manifest["steps"] for e in step.get("evidence", ())}
    assert titles == {"loss"}
    records = [json.loads(p.read_bytes()) for p in yard.output.rglob("step.json")]
    assert {e["title"] for record in records for e in record["evidence"]} == {"loss"}
