"""Where everything lies that is built once and kept: outside the checkout."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def cache_root() -> Path:
    """`$LATHE_CACHE`, or `~/.cache/lathe`; an absolute path that may not exist yet."""
    configured = os.environ.get("LATHE_CACHE")  # noqa: TID251 - where to keep builds is the machine's
    return Path(configured).absolute() if configured else Path.home() / ".cache" / "lathe"


@contextmanager
def alone(what: str) -> Iterator[None]:
    """Waits until no other process is at `what`, and keeps others waiting meanwhile."""
    folder = cache_root() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder / what, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
