"""A chart can only read its own files: what it has copies of is what they are copies of."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FILES = ROOT / "charts" / "lathe" / "files"
SOURCES = {
    "crds": ROOT / "crds",
    "base": ROOT / "charts" / "kustomize" / "base",
    "monitoring": ROOT / "charts" / "monitoring",
}
COPIES = sorted(file.relative_to(FILES) for file in FILES.rglob("*") if file.is_file())


def test_there_are_copies_of_everything() -> None:
    assert {copy.parts[0] for copy in COPIES} == set(SOURCES)
    definitions = {file.name for file in SOURCES["crds"].glob("*.yaml")}
    assert {copy.name for copy in COPIES if copy.parts[0] == "crds"} == definitions


@pytest.mark.parametrize("copy", COPIES, ids=str)
def test_a_copy_is_what_it_is_a_copy_of(copy: Path) -> None:
    folder, name = copy.parts

    assert (FILES / copy).read_text() == (SOURCES[folder] / name).read_text(), (
        "run `make chart-copies`"
    )
