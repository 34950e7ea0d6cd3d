"""Where everything lies that is built once and kept: outside the checkout."""

import os
from pathlib import Path


def cache_root() -> Path:
    """`$LATHE_CACHE`, or `~/.cache/lathe`; an absolute path that may not exist yet."""
    configured = os.environ.get("LATHE_CACHE")  # noqa: TID251 - where to keep builds is the machine's
    return Path(configured).absolute() if configured else Path.home() / ".cache" / "lathe"
