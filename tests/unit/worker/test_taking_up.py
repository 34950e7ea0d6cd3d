"""What was done is not done again: finished results, finished steps, and what spoils them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lathe_api.outcome import Outcome
from lathe_steps.errors import Internal
from lathe_steps.reasons import ExitCode, Reason
from lathe_worker.local_store import LocalStore
from lathe_worker.store import Progress, StoredObject, Transfer
from tests.builders import QUANTIZE, SIMPLIFY, target
from tests.fake_bench import FakeBench
from tests.worker_runs import ASIDE, STEPS, Yard, a_run

KILLED: Mapping[str, BaseException] = {"distill": Internal("killed")}


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path)


@dataclass
class Watched(LocalStore):
    """Storage that remembers what was fetched."""

    root: Path
    fetched: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(self.root)

    def download_all(
        self, objects: Sequence[StoredObject], into: Path, *, progress: Progress | None = None
    ) -> tuple[Transfer, ...]:
        self.fetched += [one.uri for one in objects]
        return super().download_all(objects, into, progress=progress)


def test_the_same_run_is_answered_from_its_manifest(yard: Yard) -> None:
    first, bench = yard.run(), FakeBench()
    before = yard.published()

    second = yard.run(bench=bench)

    assert second == first.model_copy(update={"cache": "Hit", "cache_source": "team/digits"})
    assert bench.applied == []
    assert yard.published() == before


def test_the_same_run_fetches_nothing(yard: Yard) -> None:
    yard.run()
    store = Watched(yard.storage)

    assert yard.run(store=store).cache == "Hit"
    assert store.fetched == []


def test_an_object_that_was_replaced_is_fetched(yard: Yard) -> None:
    yard.run()
    yard.put("models/digits/model.safetensors", b"other weights")
    store = Watched(yard.storage)

    assert yard.run(store=store).cache == "Miss"
    assert "s3://models/digits/model.safetensors" in store.fetched


def test_a_pin_is_held_against_a_result_that_is_there_too(yard: Yard) -> None:
    yard.run()
    model = {**a_run().spec["model"], "digest": "sha256:" + "0" * 64}

    outcome = yard.run(a_run().with_(model=model))

    assert outcome.failure is not None
    assert outcome.failure.reason is Reason.DIGEST_MISMATCH


def test_a_run_that_was_killed_goes_on_after_its_last_finished_step(yard: Yard) -> None:
    yard.run(bench=FakeBench(stops=KILLED))
    bench = FakeBench()

    outcome = yard.run(bench=bench)

    assert bench.applied == STEPS[2:]
    assert [step.cache for step in outcome.steps] == ["Hit", "Hit", *["Miss"] * 5]


def test_another_target_takes_the_common_steps_up(yard: Yard) -> None:
    yard.run()
    bench = FakeBench()
    other = a_run()
    other.spec["targets"].append({"name": "plain", "runtime": "ONNXRuntime"})

    assert yard.run(other, bench).exit_code == ExitCode.OK
    assert bench.applied == []


def test_another_resource_with_the_same_work_gets_the_same_result(yard: Yard) -> None:
    first = yard.run()

    hit = {"cache": "Hit", "cache_source": "team/digits"}
    assert yard.run(a_run().named("other")) == first.model_copy(update=hit)


def test_other_samples_of_a_step_run_it_again(yard: Yard) -> None:
    yard.run()
    yard.put("data/train.npz", b"others")
    bench = FakeBench()

    yard.run(bench=bench)

    assert bench.applied == STEPS[2:]


def test_without_a_cache_every_step_runs_and_none_is_kept(yard: Yard) -> None:
    yard.run(bench=FakeBench(stops=KILLED))
    kept = set(yard.output.rglob("step.json"))
    bench = FakeBench()

    yard.run(a_run().with_(run={"cache": "Off"}), bench)

    assert bench.applied == [*STEPS[:2], ASIDE, *STEPS[2:]]
    assert set(yard.output.rglob("step.json")) == kept


def test_a_cache_to_read_keeps_nothing_new(yard: Yard) -> None:
    yard.run(bench=FakeBench(stops=KILLED))
    kept = set(yard.output.rglob("step.json"))
    bench = FakeBench()

    yard.run(a_run().with_(run={"cache": "Read"}), bench)

    assert bench.applied == STEPS[2:]
    assert set(yard.output.rglob("step.json")) == kept


@pytest.mark.parametrize("damage", ["lost", "changed", "no record any more"])
def test_a_kept_step_that_was_damaged_runs_again(yard: Yard, damage: str) -> None:
    yard.run(bench=FakeBench(stops=KILLED))
    for record in yard.output.rglob("step.json"):
        file = record.parent / json.loads(record.read_bytes())["files"][0]["name"]
        match damage:
            case "lost":
                file.unlink()
            case "changed":
                file.write_bytes(b"changed")
            case _:
                record.write_bytes(b"{")
    bench = FakeBench()

    outcome = yard.run(bench=bench)

    assert outcome.exit_code == ExitCode.OK
    assert set(bench.applied) == {*STEPS, ASIDE}
    yard.assert_whole()


def test_a_damaged_step_that_comes_out_differently_is_the_one_that_later_steps_get(
    yard: Yard,
) -> None:
    yard.run(bench=FakeBench(stops=KILLED))
    for file in yard.output.glob(".steps/*/model.safetensors"):
        file.unlink()

    assert yard.run(bench=FakeBench(random="other")).exit_code == ExitCode.OK

    (manifest,) = yard.manifests()
    made = {step["name"]: step["digest"] for step in manifest["steps"]}
    undisturbed = Yard(yard.path / "undisturbed")
    undisturbed.run(bench=FakeBench(random="other"))
    (expected,) = undisturbed.manifests()
    assert made | {"Input/export": ""} == {
        step["name"]: step["digest"] for step in expected["steps"]
    } | {"Input/export": ""}


def by_step(outcome: Outcome) -> dict[str, str]:
    return {step.name: step.cache for step in outcome.steps}


def test_an_edit_repeats_the_step_that_it_changes_and_what_follows_from_it(yard: Yard) -> None:
    assert {*by_step(yard.run()).values()} == {"Miss"}
    int8 = {"name": "int8", "quantize": {**QUANTIZE["quantize"], "perChannel": False}}
    edited = a_run().targets(
        target("cpu", "ONNXRuntime", int8), target("rtx", "TensorRTRTX", SIMPLIFY)
    )
    bench = FakeBench()

    outcome = yard.run(edited, bench=bench)

    assert outcome.cache == "Miss"
    assert bench.applied == ["cpu/int8"]
    assert by_step(outcome) == {
        "Input/export": "Hit",
        "halve": "Hit",
        "distill": "Hit",
        "export": "Hit",
        "cpu/int8": "Miss",
        "rtx/simplify": "Hit",
        "rtx/buildEngine": "Hit",
    }


def test_an_edit_of_an_early_step_repeats_all_that_is_made_of_it(yard: Yard) -> None:
    yard.run()
    halve, *rest = a_run().spec["steps"]
    other = {**halve, "prune": {"target": {"params": 0.4}}}

    taken = by_step(yard.run(a_run().steps(other, *rest)))

    assert [name for name, cache in taken.items() if cache == "Hit"] == ["Input/export"]
