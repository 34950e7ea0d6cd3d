"""Where the members of a tar file lie: what Python's own reader says, for any that it writes."""

import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lathe_steps.errors import BadInput
from lathe_worker.data import tars
from tests.unit.worker.data_files import tar

NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="/\0", exclude_categories=["Cs"]),
    min_size=1,
    max_size=120,
).filter(lambda name: name not in {".", ".."})
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
FORMS = {"pax": tarfile.PAX_FORMAT, "gnu": tarfile.GNU_FORMAT}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@settings(max_examples=60, deadline=None)
@given(members=st.dictionaries(PATHS, st.binary(max_size=1500), min_size=1, max_size=5))
def test_every_file_is_found_where_it_is(
    form: int, members: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tar(tmp_path_factory.mktemp("tar") / "x.tar", members, form)
    content = file.read_bytes()

    found = list(tars.members(file, "x"))

    assert [content[m.start : m.start + m.size] for m in found] == list(members.values())
    assert [member.name for member in found] == list(members)


@settings(max_examples=150, deadline=None)
@given(at=st.integers(0, 3071), value=st.integers(0, 255))
def test_whatever_changed_on_the_way_is_read_or_refused(
    at: int, value: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tar(tmp_path_factory.mktemp("tar") / "x.tar", {"a" * 120: b"1", "b": b"2"})
    content = bytearray(file.read_bytes())
    content[at] = value
    file.write_bytes(content)

    try:
        found = list(tars.members(file, "x"))
    except BadInput:
        return

    assert all(0 <= m.start <= m.start + m.size <= len(content) for m in found)


def test_directories_are_passed_over(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        folder = tarfile.TarInfo("train")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        image = tarfile.TarInfo("train/a.png")
        image.size = 3
        archive.addfile(image, io.BytesIO(b"abc"))

    assert [m.name for m in tars.members(tmp_path / "x.tar", "x")] == ["train/a.png"]
