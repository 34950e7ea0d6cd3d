"""Unpacking: whole files or none, from archives that nobody vouches for."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from lathe_steps.errors import BadInput, InvalidSpec
from lathe_steps.reasons import ExitCode, Reason
from lathe_worker.unpacking import unpack
from tests.archive_files import archived, model_files

LATHE = Path(sys.executable).with_name("lathe")
MODEL = {"architecture.json", "model.safetensors"}


def names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()} if folder.exists() else set()


def test_the_files_come_back(tmp_path: Path) -> None:
    packed = model_files(tmp_path / "packed")

    written = unpack(archived(tmp_path, packed), tmp_path / "out")

    assert [file.read_bytes() for file in written] == [file.read_bytes() for file in packed]
    assert names(tmp_path / "out") == MODEL


DAMAGE = {
    "a bit flipped": lambda whole: whole[:-9] + bytes([whole[-9] ^ 4]) + whole[-8:],
    "the end cut off": lambda whole: whole[:-1],
    "something added": lambda whole: whole + b"!",
    "nothing in it": lambda _: b"",
    "another kind of file": lambda _: b"PK\x03\x04" + bytes(1000),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_archive_leaves_nothing_behind(tmp_path: Path, damage: "type[bytes]") -> None:
    archive = archived(tmp_path)
    archive.write_bytes(damage(archive.read_bytes()))

    with pytest.raises(BadInput) as refusal:
        unpack(archive, tmp_path / "out")

    assert refusal.value.reason is Reason.INVALID_MODEL
    assert names(tmp_path / "out") == set()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    archive = archived(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"mine")

    with pytest.raises(InvalidSpec):
        unpack(archive, tmp_path)

    assert (tmp_path / "model.safetensors").read_bytes() == b"mine"
    assert not (tmp_path / "architecture.json").exists()


def test_an_archive_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as refusal:
        unpack(tmp_path / "model.lathe", tmp_path)

    assert refusal.value.reason is Reason.OBJECT_NOT_FOUND


def lathe(*arguments: str, memory: int | None = None) -> "subprocess.CompletedProcess[str]":
    def limit() -> None:
        if memory is not None:
            resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))

    return subprocess.run(
        [LATHE, *arguments], capture_output=True, text=True, check=False, preexec_fn=limit
    )


def test_the_command_names_what_it_wrote(tmp_path: Path) -> None:
    done = lathe("unpack", str(archived(tmp_path)), "--to", str(tmp_path / "out"))

    assert (done.returncode, done.stderr) == (ExitCode.OK, "")
    assert {Path(line).name for line in done.stdout.splitlines()} == MODEL


def test_the_command_says_in_one_line_what_is_wrong(tmp_path: Path) -> None:
    archive = tmp_path / "model.lathe"
    archive.write_bytes(b"LATHE\x01\x01\x01\xff\xff\x03" + bytes(500))

    done = lathe("unpack", str(archive))

    assert done.returncode == ExitCode.BAD_INPUT
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert str(archive) in done.stderr
