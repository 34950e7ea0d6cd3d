"""Makes one file of several that are the same: wheels hold no links, so they repeat libraries.

    python3 duplicates.py FOLDER

Of files over a megabyte with the same bytes, the first one stays, and the others become links.
"""

import hashlib
import os
import sys
from collections import defaultdict
from pathlib import Path

LARGE = 2**20


def same(folder: Path) -> list[list[Path]]:
    """The large files below folder, those with the same bytes together."""
    found: defaultdict[tuple[int, str], list[Path]] = defaultdict(list)
    for file in sorted(folder.rglob("*")):
        if file.is_file() and not file.is_symlink() and file.stat().st_size > LARGE:
            with file.open("rb") as opened:
                digest = hashlib.file_digest(opened, "sha256").hexdigest()
            found[file.stat().st_size, digest].append(file)
    return list(found.values())


if __name__ == "__main__":
    for first, *others in same(Path(sys.argv[1])):
        for other in others:
            other.unlink()
            other.symlink_to(os.path.relpath(first, other.parent))
