"""What is removed with a resource: its own results, and never anything else."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from lathe_api.clean_up import CleanUp
from lathe_steps.reasons import ExitCode, Reason
from lathe_worker.clean_up import clean_up, outcome_in
from lathe_worker.local_store import LocalStore
from tests.worker_runs import OUTPUT, Yard, a_run

STRANGER = "00" * 32


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path)


def published(yard: Yard) -> str:
    """Let a run publish, and give its key."""
    outcome = yard.run()
    assert outcome.run_key is not None
    return outcome.run_key


def asked(key: str, **changes: Any) -> CleanUp:
    given = {
        "namespace": "team",
        "name": "digits",
        "output": f"s3://{OUTPUT}/",
        "pointer": "latest.json",
        "keys": [key],
        **changes,
    }
    return CleanUp.model_validate(given)


def remove(yard: Yard, document: CleanUp) -> None:
    clean_up(document, LocalStore(yard.storage))


def steps(yard: Yard) -> set[str]:
    return {path.parent.name for path in yard.output.glob(".steps/*/step.json")}


def test_nothing_is_left_of_a_run_and_of_the_steps_that_it_tells_of(yard: Yard) -> None:
    key = published(yard)
    told = {step["key"] for step in yard.manifests()[0]["steps"]}
    assert told <= steps(yard)
    yard.put("artifacts/other.bin", b"outside the output")
    yard.put(f"{OUTPUT}/by-hand.txt", b"somebody else's")

    for _ in range(2):
        remove(yard, asked(key))

    assert set(yard.published()) == {"by-hand.txt"}
    assert not told & steps(yard)
    assert (yard.storage / "artifacts/other.bin").exists()
    assert (yard.storage / "models/digits/model.safetensors").exists()


def test_results_that_failed_their_gates_go_too(yard: Yard) -> None:
    key = published(yard)
    (yard.output / "rejected").mkdir()
    (yard.output / key[:16]).rename(yard.output / "rejected" / key[:16])

    remove(yard, asked(key))

    assert yard.published("rejected") == {}


def test_what_another_resource_has_published_is_left_to_it(yard: Yard) -> None:
    key = published(yard)
    before = set(yard.published()), steps(yard)

    remove(yard, asked(key, name="other", pointer=None))

    assert (set(yard.published()), steps(yard)) == before


def test_steps_that_were_taken_up_are_left_to_the_run_that_made_them(yard: Yard) -> None:
    first = published(yard)
    made = steps(yard)
    other = yard.run(a_run().with_(evaluation=None))
    assert other.run_key not in (None, first)

    remove(yard, asked(str(other.run_key), pointer=None))

    assert steps(yard) == made
    assert (yard.output / first[:16] / "manifest.json").exists()


def test_a_pointer_that_leads_elsewhere_stays(yard: Yard) -> None:
    key = published(yard)
    pointer = yard.output / "latest.json"
    pointer.write_text(json.dumps({**json.loads(pointer.read_text()), "runKey": STRANGER}))

    remove(yard, asked(key))

    assert set(yard.published()) == {"latest.json"}


def test_a_pointer_that_is_none_of_ours_stays(yard: Yard) -> None:
    key = published(yard)
    (yard.output / "latest.json").write_text("no pointer")

    remove(yard, asked(key))

    assert set(yard.published()) == {"latest.json"}


def test_what_was_never_published_needs_no_removal(yard: Yard) -> None:
    key = published(yard)
    before = set(yard.published())

    remove(yard, asked(STRANGER))

    assert set(yard.published()) == before
    assert key[:16] in {name.partition("/")[0] for name in before}


NO_KEYS = {
    "a path": "../../models/digits/",
    "a part of a key": "5f3a",
    "nothing": "",
}


@pytest.mark.parametrize("key", NO_KEYS.values(), ids=NO_KEYS)
def test_what_is_no_run_key_is_refused_before_anything_is_removed(key: str) -> None:
    with pytest.raises(ValidationError):
        asked(key)


def test_a_document_that_is_none_is_told_and_ends_for_good(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text("{}")

    outcome = outcome_in({"LATHE_PLAN": str(tmp_path / "plan.json")})

    assert outcome.exit_code is ExitCode.INVALID_SPEC
    assert outcome.failure is not None
    assert outcome.failure.reason is Reason.INVALID_SPEC
