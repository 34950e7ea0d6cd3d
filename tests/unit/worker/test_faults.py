"""Fault at every call of storage: whatever breaks when, running again reaches the same end."""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import pytest

from lathe_api.v1alpha1.spec import Digest
from lathe_steps.errors import Stopped, Transient
from lathe_steps.reasons import ExitCode, Reason
from lathe_worker.local_store import LocalStore
from lathe_worker.store import Progress, StoredObject, Transfer
from tests.builders import EXPORT, PRUNE
from tests.fake_bench import FakeBench
from tests.worker_runs import Yard, a_run

SMALL = a_run().steps(PRUNE, EXPORT).with_(targets=None)
"""Each kind of call is in it, and few of them."""

When = Literal["before", "after"]
T = TypeVar("T")


class Killed(BaseException):
    """The process is gone: nothing catches it, and nothing is tidied up but by the kernel."""


@dataclass
class FaultyStore:
    """Storage that breaks once, at its n-th call, before or after the effect."""

    inner: LocalStore
    fail_at: int
    when: When
    error: Callable[[], BaseException]
    check: Callable[[], None]
    calls: int = 0

    def _call(self, effect: Callable[[], T]) -> T:
        self.calls += 1
        self.check()
        if self.calls != self.fail_at:
            return effect()
        if self.when == "after":
            with suppress(Stopped):  # an answer that says no is lost like any other
                effect()
        self.check()
        raise self.error()

    def stat(self, uri: str) -> StoredObject:
        return self._call(lambda: self.inner.stat(uri))

    def exists(self, uri: str) -> bool:
        return self._call(lambda: self.inner.exists(uri))

    def list(self, prefix: str) -> tuple[StoredObject, ...]:
        return self._call(lambda: self.inner.list(prefix))

    def download(
        self,
        source: str | StoredObject,
        to: Path,
        *,
        expect: Digest | None = None,
        progress: Progress | None = None,
    ) -> Transfer:
        return self._call(lambda: self.inner.download(source, to, expect=expect, progress=progress))

    def download_all(
        self, objects: Sequence[StoredObject], into: Path, *, progress: Progress | None = None
    ) -> tuple[Transfer, ...]:
        return self._call(lambda: self.inner.download_all(objects, into, progress=progress))

    def upload(self, path: Path, uri: str, *, progress: Progress | None = None) -> Transfer:
        return self._call(lambda: self.inner.upload(path, uri, progress=progress))

    def upload_all(
        self, folder: Path, prefix: str, *, progress: Progress | None = None
    ) -> tuple[Transfer, ...]:
        """Each file is a call of its own: some may be there when it breaks."""
        return tuple(
            self.upload(path, f"{prefix}{path.relative_to(folder).as_posix()}", progress=progress)
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        )

    def read_bytes(self, uri: str, *, limit: int) -> bytes:
        return self._call(lambda: self.inner.read_bytes(uri, limit=limit))

    def remove(self, objects: Sequence[StoredObject]) -> None:
        self._call(lambda: self.inner.remove(objects))

    def write_bytes(self, uri: str, data: bytes) -> StoredObject:
        return self._call(lambda: self.inner.write_bytes(uri, data))

    def swap_bytes(
        self, uri: str, data: bytes, *, over: StoredObject | None
    ) -> StoredObject | None:
        return self._call(lambda: self.inner.swap_bytes(uri, data, over=over))

    def age(self, uri: str) -> float:
        return self._call(lambda: self.inner.age(uri))


def away() -> Transient:
    return Transient("storage is away", reason=Reason.STORAGE_UNAVAILABLE)


def lasting(published: dict[str, bytes]) -> dict[str, Any]:
    """What a run published, without what tells of the run itself: times, and what was cached."""
    kept: dict[str, Any] = {
        name: content for name, content in published.items() if "report" not in name
    }
    for name in [name for name in kept if name.endswith("manifest.json")]:
        manifest = json.loads(kept[name])
        for step in manifest["steps"]:
            del step["seconds"], step["cache"]
        del manifest["reports"], manifest["summary"]["duration"]
        kept[name] = manifest
    return kept


def a_faulty_run(path: Path, fail_at: int, *, when: When, error: Any) -> tuple[Yard, FaultyStore]:
    yard = Yard(path)
    store = FaultyStore(LocalStore(yard.storage), fail_at, when, error, yard.assert_whole)
    return yard, store


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], int]:
    """What a run without faults publishes, and how many calls it makes."""
    yard, store = a_faulty_run(tmp_path_factory.mktemp("undisturbed"), 0, when="before", error=away)
    assert yard.run(SMALL, store=store).exit_code == ExitCode.OK
    return lasting(yard.published()), store.calls


@pytest.mark.parametrize("when", ["before", "after"], ids=lambda when: f"{when} the effect")
@pytest.mark.parametrize("error", [away, Killed], ids=["storage is away", "the pod is killed"])
def test_running_again_after_any_fault_reaches_the_same_end(
    error: Callable[[], BaseException],
    when: When,
    undisturbed: tuple[dict[str, Any], int],
    tmp_path: Path,
) -> None:
    expected, calls = undisturbed
    assert calls > 20

    for n in range(1, calls + 1):
        yard, store = a_faulty_run(tmp_path / str(n), n, when=when, error=error)
        first = FakeBench()
        try:
            outcome = yard.run(SMALL, bench=first, store=store)
        except Killed:
            outcome = None
        again = FakeBench()

        last = yard.run(SMALL, bench=again)

        has_ended = n == calls  # its last call gives up the claim, which passes by itself
        assert has_ended or outcome is None or outcome.exit_code == ExitCode.TRANSIENT, n
        assert last.exit_code == ExitCode.OK, n
        assert lasting(yard.published()) == expected, n
        yard.assert_whole()
        twice = set(first.applied) & set(again.applied)
        assert len(twice) <= 1, f"call {n}: {twice} were finished and ran again"


@pytest.mark.parametrize("when", ["before", "after"], ids=lambda when: f"{when} the effect")
def test_a_rejected_result_leaves_nothing_where_consumers_look(
    when: When, undisturbed: tuple[dict[str, Any], int], tmp_path: Path
) -> None:
    _, calls = undisturbed

    for n in range(1, calls + 1):
        yard, store = a_faulty_run(tmp_path / str(n), n, when=when, error=away)
        yard.run(SMALL, bench=FakeBench(drop=0.05), store=store)

        last = yard.run(SMALL, bench=FakeBench(drop=0.05))

        assert last.exit_code == ExitCode.GATE_FAILED, n
        assert all(name.startswith("rejected/") for name in yard.published()), n
        yard.assert_whole()


def test_another_run_with_a_cache_of_its_own_does_not_see_half_a_step(tmp_path: Path) -> None:
    yard, store = a_faulty_run(tmp_path, 12, when="after", error=away)
    yard.run(SMALL, store=store)

    for record in yard.output.rglob("step.json"):
        files = json.loads(record.read_bytes())["files"]
        assert all((record.parent / file["name"]).is_file() for file in files)
    assert yard.run(SMALL).exit_code == ExitCode.OK
