"""The twin, built from its own Go module into the cache of the local cluster's programs."""

import functools
import hashlib
import shutil
import sys
from pathlib import Path

from e2e.localcluster.cache import alone, cache_root
from e2e.localcluster.processes import run

SOURCE = Path(__file__).parent / "twin"


@functools.cache
def twin() -> Path:
    """The program; it is built when its source has changed (a minute or two at first)."""
    files = sorted(path for path in SOURCE.iterdir() if path.suffix in {".go", ".mod", ".sum"})
    digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()
    path = cache_root() / "bin" / f"twin-{digest[:12]}"
    if path.exists():
        return path
    if shutil.which("go") is None:
        sys.exit("building the twin needs Go 1.26 or newer on PATH: install it, run again")
    with alone("twin"):
        flags = ("-trimpath", "-buildvcs=false", "-ldflags=-s -w")
        run("env", "CGO_ENABLED=0", "go", "build", *flags, "-o", path, ".", cwd=SOURCE)
    return path
