"""What is read from an image's file system."""

from pathlib import Path

import pytest

from e2e.release.contents import LARGE, Contents

METADATA = "Metadata-Version: 2.4\nName: Jinja_2.Extra\nVersion: 3.1\n\nName: not this one\n"
RECORD = "Package: {}\nStatus: install ok installed\nVersion: {}\n"


@pytest.fixture
def image(tmp_path: Path) -> Contents:
    return Contents(tmp_path)


def write(image: Contents, path: str, content: bytes | str) -> Path:
    place = image.root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content if isinstance(content, bytes) else content.encode())
    return place


def test_a_package_is_known_by_its_normal_name(image: Contents) -> None:
    write(image, "opt/lathe/lib/jinja.dist-info/METADATA", METADATA)

    assert image.distributions() == {"jinja-2-extra": "3.1"}


def test_what_a_package_carries_within_itself_is_none_of_its_own(image: Contents) -> None:
    write(image, "site-packages/setuptools/_vendor/wheel.dist-info/METADATA", METADATA)

    assert image.distributions() == {}


@pytest.mark.parametrize(
    "paths", [["status"], ["status.d/libc6", "status.d/zlib1g"]], ids=["Debian", "without dpkg"]
)
def test_debian_packages_are_found_where_scanners_look(image: Contents, paths: list[str]) -> None:
    records = [RECORD.format("libc6", "2.36-9"), RECORD.format("zlib1g", "1:1.2.13")]
    for path in paths:
        text = "\n".join(records) if len(paths) == 1 else records[paths.index(path)]
        write(image, f"var/lib/dpkg/{path}", text)

    assert image.debian_packages() == {"libc6": "2.36-9", "zlib1g": "1:1.2.13"}


def test_a_file_with_two_names_counts_once(image: Contents) -> None:
    first = write(image, "a", b"x" * 1000)
    (image.root / "b").hardlink_to(first)

    assert image.size == 1000


def test_the_same_bytes_twice_are_found_and_a_link_is_none(image: Contents) -> None:
    library = b"x" * (LARGE + 1)
    first = write(image, "lib/liba.so.1", library)
    write(image, "lib/libb.so", library)
    write(image, "lib/libc.so", b"y" + library)
    (image.root / "lib" / "liba.so").symlink_to(first.name)

    found = [sorted(map(str, files)) for files in image.repeated()]

    assert found == [["lib/liba.so.1", "lib/libb.so"]]
