"""Names that derive from contents: what is unchanged is found again, not built again."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

_IGNORED = {"__pycache__"}


def content_tag(paths: Iterable[Path], root: Path, *, also: Iterable[str] = ()) -> str:
    """A tag of 12 hex digits over the names and bytes of all files in `paths`, and over `also`.

    Paths count relative to `root`, so that a checkout elsewhere gives the same tag; a path that
    does not exist counts as absent. Caches that Python leaves beside its sources do not count.
    """
    digest = hashlib.sha256()
    for text in also:
        digest.update(f"{len(text)}:{text}".encode())
    for file in sorted(file for path in paths for file in _files(path)):
        body = file.read_bytes()
        digest.update(f"{file.relative_to(root).as_posix()}\0{len(body)}\0".encode())
        digest.update(body)
    return digest.hexdigest()[:12]


def _files(path: Path) -> Iterable[Path]:
    if path.is_file():
        yield path
    elif path.is_dir() and path.name not in _IGNORED:
        for child in path.iterdir():
            yield from _files(child)
