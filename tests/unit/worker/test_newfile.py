"""A new file has its name when it is whole, and leaves nothing behind when it is not."""

import errno
import os
from pathlib import Path

import pytest

from lathe_steps.errors import Internal, Stopped, Transient
from lathe_steps.reasons import Reason
from lathe_worker.newfile import CHUNK, NewFile, digest_of
from tests.conformance.store import bytes_of, files_in, sha256


def test_a_file_appears_when_it_is_committed(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"

    with NewFile(path, 6) as file:
        file.write_at(3, b"def")
        file.write_at(0, b"abc")
        assert not path.exists()
        assert b"".join(bytes(chunk) for chunk in file.chunks(1, 5)) == b"bcde"
        file.commit()

    assert path.read_bytes() == b"abcdef"
    assert files_in(tmp_path) == {"new/file"}


def test_a_file_that_is_not_committed_never_was(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"what was there")

    with NewFile(tmp_path / "file", 3) as file:
        file.write_at(0, b"new")

    assert (tmp_path / "file").read_bytes() == b"what was there"
    assert files_in(tmp_path) == {"file"}


def test_what_is_half_written_can_lie_elsewhere(tmp_path: Path) -> None:
    with NewFile(tmp_path / "here" / "file", 3, staging=tmp_path / "elsewhere") as file:
        assert files_in(tmp_path / "here") == set()
        file.commit()

    assert files_in(tmp_path) == {"here/file"}


def test_a_file_gets_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "any").touch()
    with NewFile(tmp_path / "file", 0) as file:
        file.commit()

    assert (tmp_path / "file").stat().st_mode == (tmp_path / "any").stat().st_mode


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("call", ["posix_fallocate", "pwrite"])
def test_no_room_is_disk_full_and_names_the_file(
    code: int, call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, call, full)

    with (
        pytest.raises(Transient) as stopped,
        NewFile(tmp_path / "file", 3) as file,
    ):
        file.write_at(0, b"abc")

    assert stopped.value.reason is Reason.DISK_FULL
    assert str(tmp_path / "file") in stopped.value.message
    assert files_in(tmp_path) == set()


def test_a_file_system_that_cannot_reserve_is_used_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(os, "posix_fallocate", unsupported)

    with NewFile(tmp_path / "file", 5) as file:
        file.write_at(3, b"de")
        file.commit()

    assert (tmp_path / "file").read_bytes() == b"\x00\x00\x00de"


def test_a_write_that_stops_short_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: whole(fd, data[:2], at))

    with NewFile(tmp_path / "file", 5) as file:
        file.write_at(0, b"abcde")
        file.commit()

    assert (tmp_path / "file").read_bytes() == b"abcde"


def test_a_file_that_shrinks_while_it_is_made_is_noticed(tmp_path: Path) -> None:
    with NewFile(tmp_path / "file", 5) as file:
        (part,) = tmp_path.iterdir()
        part.write_bytes(b"ab")

        with pytest.raises(Internal):
            list(file.chunks(0, 5))


def test_a_name_that_is_taken_by_a_folder_is_a_stop_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").mkdir()

    with pytest.raises(Stopped) as stopped, NewFile(tmp_path / "file", 0) as file:
        file.commit()

    assert str(tmp_path / "file") in stopped.value.message
    assert files_in(tmp_path) == set()


@pytest.mark.parametrize("size", [0, 1, CHUNK, 3 * CHUNK + 1])
def test_a_digest_is_of_every_byte(size: int, tmp_path: Path) -> None:
    data = bytes_of(size)
    (tmp_path / "file").write_bytes(data)

    assert digest_of(tmp_path / "file") == sha256(data)


def test_a_file_that_is_not_there_has_no_digest(tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        digest_of(tmp_path / "file")
