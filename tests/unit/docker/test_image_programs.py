"""The programs of image builds, on folders that look like images."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

DOCKER = Path(__file__).parents[3] / "docker"


def program(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, DOCKER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_large_files_with_the_same_bytes_are_found_together(tmp_path: Path) -> None:
    duplicates = program("duplicates")
    library = b"x" * (duplicates.LARGE + 1)
    for name in ("liba.so", "liba.so.1", "liba.so.1.0"):
        (tmp_path / name).write_bytes(library)
    (tmp_path / "another.so").write_bytes(b"y" * len(library))
    (tmp_path / "link.so").symlink_to("liba.so")
    (tmp_path / "small").write_bytes(b"")
    (tmp_path / "small too").write_bytes(b"")

    found = [[file.name for file in files] for files in duplicates.same(tmp_path)]

    assert found == [["another.so"], ["liba.so", "liba.so.1", "liba.so.1.0"]]


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[ModuleType, Path]:
    """The program that collects, with a package database of three packages."""
    runtime = program("runtime")
    dpkg = tmp_path / "dpkg"
    (dpkg / "info").mkdir(parents=True)
    (dpkg / "info" / "libc6:amd64.list").write_text("/.\n/lib/x86_64-linux-gnu/libc.so.6\n")
    (dpkg / "info" / "libssl3:amd64.list").write_text("/usr/lib/x86_64-linux-gnu/libssl.so.3\n")
    (dpkg / "info" / "bash.list").write_text("/bin/bash\n")
    paragraphs = [f"Package: {name}\nVersion: 1" for name in ("libc6", "libssl3", "bash")]
    (dpkg / "status").write_text("\n\n".join(paragraphs) + "\n")
    monkeypatch.setattr(runtime, "DPKG", dpkg)
    return runtime, tmp_path


def test_a_file_is_known_to_its_package_by_the_old_and_the_new_name(
    places: tuple[ModuleType, Path],
) -> None:
    runtime, _ = places
    libraries = Path("/usr/lib/x86_64-linux-gnu")

    found = runtime.packages({libraries / "libc.so.6", Path("/lib/x86_64-linux-gnu/libssl.so.3")})

    assert found == {"libc6:amd64", "libssl3:amd64"}


def test_records_lie_where_scanners_look(places: tuple[ModuleType, Path]) -> None:
    runtime, folder = places

    list(runtime.records({"libc6:amd64", "libssl3:amd64"}, folder / "root"))

    written = folder / "root" / "var" / "lib" / "dpkg" / "status.d"
    assert sorted(file.name for file in written.iterdir()) == ["libc6", "libssl3"]
    assert "Package: libc6" in (written / "libc6").read_text()


def test_a_link_is_copied_with_what_it_leads_to(tmp_path: Path) -> None:
    runtime = program("runtime")
    library = tmp_path / "lib" / "liba.so.1.0"
    library.parent.mkdir()
    library.write_text("code")
    (library.parent / "liba.so").symlink_to("liba.so.1.0")
    root = tmp_path / "root"

    runtime.copy(library.parent / "liba.so", root)

    place = root / library.parent.resolve().relative_to("/")
    assert (place / "liba.so").is_symlink()
    assert (place / "liba.so").read_text() == "code"


def test_the_interpreter_is_collected_without_what_no_container_imports() -> None:
    found = {str(file) for file in program("runtime").interpreter()}

    assert any(name.endswith("/asyncio/__init__.py") for name in found)
    assert not any("/ensurepip/" in name or "/idlelib/" in name for name in found)
