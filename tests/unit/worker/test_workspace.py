"""A run's own directory: fresh folders, enough room, and nothing left behind."""

import fcntl
from pathlib import Path

import pytest

from lathe_steps.errors import InvalidSpec, Transient
from lathe_steps.reasons import Reason
from lathe_worker.workspace import PREFIX, readable, workspace

PETABYTE = 10**15


def test_a_fresh_folder_is_empty_and_another_one_each_time(tmp_path: Path) -> None:
    with workspace(tmp_path, None) as space:
        once, twice = space.fresh("cpu/int8"), space.fresh("cpu/int8")

        assert once != twice
        assert [list(once.iterdir()), list(twice.iterdir())] == [[], []]
        assert once.parent == twice.parent == space.path


def test_two_runs_do_not_meet_and_leave_nothing(tmp_path: Path) -> None:
    with workspace(tmp_path, None) as one, workspace(tmp_path, None) as other:
        assert one.path != other.path
        assert one.path.exists()

    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_is_taken_away_but_not_what_a_living_one_uses(
    tmp_path: Path,
) -> None:
    dead, living, foreign = (tmp_path / name for name in (f"{PREFIX}a", f"{PREFIX}b", "mine"))
    for folder in (dead, living, foreign):
        folder.mkdir()
        (folder / "lock").touch()
    with (living / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        with workspace(tmp_path, None):
            assert [it.exists() for it in (dead, living, foreign)] == [False, True, True]


def test_what_does_not_fit_the_declared_size_is_the_resources_fault(tmp_path: Path) -> None:
    with workspace(tmp_path, 1000) as space:
        (space.fresh("used") / "file").write_bytes(bytes(600))
        space.require(400, "s3://models/m")

        with pytest.raises(InvalidSpec) as stopped:
            space.require(401, "s3://models/m")

    assert stopped.value.reason is Reason.WORKSPACE_TOO_SMALL
    assert all(said in stopped.value.message for said in ("401 bytes", "1000 bytes", "s3://"))


def test_what_does_not_fit_the_disk_may_fit_another_nodes(tmp_path: Path) -> None:
    with workspace(tmp_path, None) as space, pytest.raises(Transient) as stopped:
        space.require(PETABYTE, "s3://models/m")

    assert stopped.value.reason is Reason.DISK_FULL


@pytest.mark.parametrize(
    ("expected", "size"),
    [("0 bytes", 0), ("1023 bytes", 1023), ("1.5 GiB", 3 * 2**29), ("2048 TiB", 2**51)],
)
def test_sizes_are_readable(expected: str, size: int) -> None:
    assert readable(size) == expected
