"""The run's own directory: where everything lies, how much fits, and that nothing stays behind."""

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from lathe_steps.errors import InvalidSpec, Transient
from lathe_steps.reasons import Reason

PREFIX = "run-"
LOCK = "lock"
UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")
STEP = 1024


class Workspace:
    """A directory of one run; steps and child processes write nowhere else.

    Attributes:
        path: The directory.
        size: Most bytes that it may hold, or None for what the disk has free.
    """

    def __init__(self, path: Path, size: int | None) -> None:
        self.path = path
        self.size = size
        self._count = 0

    def fresh(self, name: str) -> Path:
        """Make a new, empty directory whose name says what it is for."""
        self._count += 1
        path = self.path / f"{self._count:03}-{name.replace('/', '-')}"
        path.mkdir()
        return path

    def used(self) -> int:
        """Bytes of all files."""
        return sum(file.lstat().st_size for file in self.path.rglob("*") if not file.is_dir())

    def require(self, need: int, what: str) -> None:
        """Make sure that `need` more bytes fit.

        Raises:
            InvalidSpec: WorkspaceTooSmall, when the workspace is declared too small.
            Transient: DiskFull, when its disk has too little free; another node may have more.
        """
        if self.size is not None and need > self.size - self.used():
            raise InvalidSpec(
                f"worker.workspace.size: {what} needs {readable(need)} but the workspace holds "
                f"{readable(self.size)}, of which {readable(self.used())} are used; raise it",
                reason=Reason.WORKSPACE_TOO_SMALL,
            )
        free = shutil.disk_usage(self.path).free
        if need > free:
            raise Transient(
                f"{what} needs {readable(need)} but the disk of {self.path} has "
                f"{readable(free)} free; free some, or use another workspace",
                reason=Reason.DISK_FULL,
            )


def readable(size: int) -> str:
    """A number of bytes for people, such as 1.5 GiB."""
    amount = float(size)
    for unit in UNITS[:-1]:
        if amount < STEP:
            return f"{amount:.4g} {unit}"
        amount /= STEP
    return f"{amount:.4g} {UNITS[-1]}"


@contextmanager
def workspace(root: Path, size: int | None) -> Iterator[Workspace]:
    """Give a run its own directory under `root`, and take it away afterwards.

    What runs left behind that were killed is taken away too: a run holds a lock while it lives.
    """
    root.mkdir(parents=True, exist_ok=True)
    for left in root.glob(f"{PREFIX}*"):
        _remove_unless_locked(left)
    path, lock = _claimed(root)
    try:
        yield Workspace(path, size)
    finally:
        shutil.rmtree(path, ignore_errors=True)
        lock.close()


def _claimed(root: Path) -> tuple[Path, IO[str]]:
    """Make a directory and lock it; another run may take it away before it is locked."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=root))
        lock = (path / LOCK).open("w")
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (path / LOCK).exists():
            return path, lock
        lock.close()


def _remove_unless_locked(path: Path) -> None:
    with suppress(OSError), (path / LOCK).open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path, ignore_errors=True)
