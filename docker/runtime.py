"""Collects what a Python program needs of the image that it was built in, and nothing else.

    python3 runtime.py PREFIX ROOT

PREFIX is a virtual environment; below ROOT comes the interpreter, the standard library, and every
shared library that they and PREFIX need, with the records and licences of the Debian packages that
these come from, so that scanners and readers know what is there. No shell, no package manager.
"""

import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

UNUSED = (
    *("test", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3", "pydoc_data"),
    *("config-*", "site-packages", "dist-packages"),
)
"""Parts of the standard library that no program in a container imports."""
SETTINGS = ("/etc/ld.so.cache", "/etc/os-release", "/usr/lib/os-release", "/etc/ssl/openssl.cnf")
DPKG = Path("/var/lib/dpkg")


def interpreter() -> Iterator[Path]:
    """The interpreter, under each of its names, and its standard library."""
    program = Path(sys.base_prefix, "bin", f"python{sys.version_info[0]}")
    yield from (program, program.resolve())
    library = Path(sysconfig.get_path("stdlib"))
    unused = {found for pattern in UNUSED for found in library.glob(pattern)}
    for file in library.rglob("*"):
        if file.is_file() and unused.isdisjoint(file.parents):
            yield file


def libraries(files: Iterable[Path]) -> Iterator[Path]:
    """Every shared library that these programs and libraries load, and what threads load late."""
    for file in files:
        # A file that is linked to nothing is an answer too, with an exit code of its own.
        told = subprocess.run(["ldd", file], capture_output=True, text=True, check=False).stdout
        yield from (
            Path(path) for path in re.findall(r"(?:=> |^\s)(/\S+) \(0x", told, re.MULTILINE)
        )
    yield from Path("/lib").glob("*-linux-gnu/libgcc_s.so.*")


def packages(files: Iterable[Path]) -> set[str]:
    """The Debian packages that these files are from; none where there are no packages."""
    wanted = {re.sub(r"^/usr(?=/lib)", "", str(file)) for file in files}
    return {
        listed.stem
        for listed in DPKG.glob("info/*.list")
        if any(re.sub(r"^/usr(?=/lib)", "", line) in wanted for line in listed.read_text().split())
    }


def records(names: Iterable[str], root: Path) -> Iterator[Path]:
    """Write the packages' records where scanners look for them; give their licences."""
    paragraphs = (DPKG / "status").read_text().split("\n\n") if DPKG.exists() else []
    known = {paragraph.split("\n", 1)[0].split(" ")[-1]: paragraph for paragraph in paragraphs}
    folder = root / "var/lib/dpkg/status.d"
    folder.mkdir(parents=True)
    for name in sorted(name.partition(":")[0] for name in names):
        (folder / name).write_text(known[name] + "\n")
        licence = Path("/usr/share/doc", name, "copyright")
        if licence.exists():
            yield licence


def copy(file: Path, root: Path) -> None:
    """Copy a file to the same path below root; a link stays a link, where folders are links too."""
    place = root / file.parent.resolve().relative_to("/") / file.name
    if place.is_symlink() or place.exists():
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(file, place, follow_symlinks=False)
    if file.is_symlink():
        copy(file.parent / file.readlink(), root)


def main(prefix: Path, root: Path) -> None:
    """Fill root."""
    needed = {*interpreter(), *(Path(name) for name in SETTINGS if Path(name).exists())}
    linked = [file for file in needed if file.suffix == ".so" or file.parent.name == "bin"]
    needed |= set(libraries([*linked, *prefix.rglob("*.so")]))
    needed |= set(records(packages(needed | {file.resolve() for file in needed}), root))
    for file in sorted(needed):
        copy(file, root)
    for name in ("lib", "lib64", "bin"):
        here = Path("/", name)
        if here.is_symlink():
            (root / name).symlink_to(here.readlink())
    (root / "tmp").mkdir(mode=0o1777)
    (root / "tmp").chmod(0o1777)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
