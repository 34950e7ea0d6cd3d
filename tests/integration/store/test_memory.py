"""A transfer takes the memory of its connections, not of its object."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance.store import MIB
from tests.s3_server import ADMIN, S3Server

pytestmark = pytest.mark.s3

SIZE = 256 * MIB
MOST = 64 * MIB
PROGRAM = """
import json, sys
from pathlib import Path
from lathe_worker.s3.settings import Keys, S3Settings
from lathe_worker.s3.store import S3Store

way, endpoint, key, secret, path = sys.argv[1:]
store = S3Store(S3Settings(endpoint=endpoint, credentials=Keys(key, secret)))

def memory(field):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))

store.write_bytes("s3://models/warm", b"warm")
before = memory("VmRSS:")
Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
if way == "up":
    done = store.upload(Path(path), "s3://models/large")
else:
    done = store.download("s3://models/large", Path(path))
print(json.dumps([done.digest, memory("VmHWM:") - before]))
"""


def test_a_large_object_goes_both_ways_in_little_memory(server: S3Server, tmp_path: Path) -> None:
    with (tmp_path / "up").open("wb") as file:
        file.truncate(SIZE)

    def added(way: str) -> tuple[str, int]:
        """The digest of the object, and the bytes of memory that it took."""
        keys = (ADMIN.access_key, ADMIN.secret_key)
        command = (sys.executable, "-c", PROGRAM, way, server.endpoint, *keys, tmp_path / way)
        finished = subprocess.run(command, check=True, capture_output=True)
        digest, memory = json.loads(finished.stdout)
        return digest, memory

    sent, memory_up = added("up")
    received, memory_down = added("down")

    assert sent == received
    assert memory_down <= MOST
    assert memory_up <= MOST
