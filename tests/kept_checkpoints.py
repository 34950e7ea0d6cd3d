"""Checkpoints in a folder, and a step that is killed when it has saved some of them."""

from collections.abc import Callable
from pathlib import Path


class Killed(BaseException):
    """The attempt is over, as if the process were gone."""


class Kept:
    """Keeps what is saved; the attempt ends right after the checkpoint of a number."""

    def __init__(self, root: Path, *, kill_at: int | None = None) -> None:
        """Keep in an existing folder."""
        self._root = root
        self._kill_at = kill_at
        self.count = len(list(root.iterdir()))
        self._found = self._folder if self.count else None

    def latest(self) -> Path | None:
        """What an earlier attempt has saved last."""
        return self._found

    def save(self, write: Callable[[Path], None]) -> None:
        """Keep one more."""
        self.count += 1
        self._folder.mkdir()
        write(self._folder)
        if self.count == self._kill_at:
            raise Killed

    @property
    def _folder(self) -> Path:
        return self._root / str(self.count)
