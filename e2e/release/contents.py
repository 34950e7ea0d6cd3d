"""What lies in an image, read from its file system."""

import hashlib
import os
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LARGE = 2**20


@dataclass(frozen=True)
class Contents:
    """An image's file system, below `root`."""

    root: Path

    @property
    def size(self) -> int:
        """Bytes of all files, each file once under whatever names it has."""
        inodes = {(each.st_dev, each.st_ino): each.st_size for each in self._stats()}
        return sum(inodes.values())

    def size_of(self, folder: str) -> int:
        """Bytes of what is below one folder."""
        return Contents(self.root / folder).size

    def distributions(self) -> dict[str, str]:
        """Versions of the Python packages that are installed, by their normal names.

        What a package carries within itself is a part of that package.
        """
        found = {}
        for metadata in self.root.rglob("*.dist-info/METADATA"):
            if "_vendor" in metadata.parts:
                continue
            head = metadata.read_text("utf-8").partition("\n\n")[0]
            name, version = (_field(head, field) for field in ("Name", "Version"))
            found[re.sub(r"[-_.]+", "-", name).lower()] = version
        return found

    def debian_packages(self) -> dict[str, str]:
        """Versions of the Debian packages that are installed, whole or in part."""
        dpkg = self.root / "var/lib/dpkg"
        records = [*dpkg.glob("status"), *dpkg.glob("status.d/*")]
        paragraphs = [each for file in records for each in file.read_text("utf-8").split("\n\n")]
        return {
            _field(each, "Package"): _field(each, "Version") for each in paragraphs if each.strip()
        }

    def repeated(self) -> list[list[Path]]:
        """Large shared objects whose bytes are there more than once, together."""
        found: defaultdict[str, list[Path]] = defaultdict(list)
        for file in self.root.rglob("*.so*"):
            if file.is_file() and not file.is_symlink() and file.stat().st_size > LARGE:
                with file.open("rb") as opened:
                    digest = hashlib.file_digest(opened, "sha256").hexdigest()
                found[digest].append(file.relative_to(self.root))
        return [files for files in found.values() if len(files) > 1]

    def files(self, pattern: str) -> list[str]:
        """The files that match, as paths within the image."""
        return sorted(str(file.relative_to(self.root)) for file in self.root.rglob(pattern))

    def _stats(self) -> Iterator[os.stat_result]:
        for folder, _, names in os.walk(self.root):
            yield from (Path(folder, name).lstat() for name in names)


def _field(paragraph: str, name: str) -> str:
    found = re.search(rf"^{name}: (.+)$", paragraph, re.MULTILINE)
    return found.group(1).strip() if found else ""
