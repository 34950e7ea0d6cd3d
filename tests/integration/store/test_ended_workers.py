"""A worker that is ended in the middle of a transfer, by force or by request."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conformance.store import MIB, files_in
from tests.fault_server import (
    FaultServer,
    Stall,
)
from tests.faulty_storage import (
    DATA,
    KEY,
    OTHER,
    URI,
)

PROGRAM = """
import signal, sys
from pathlib import Path
from lathe_worker.s3.settings import Keys, S3Settings
from lathe_worker.s3.store import S3Store

way, endpoint, uri, path = sys.argv[1:]
signal.signal(signal.SIGTERM, lambda *_: sys.exit(40))
settings = S3Settings(endpoint=endpoint, credentials=Keys("key", "secret"), read_timeout=1)
store = S3Store(settings)
store.download(uri, Path(path)) if way == "down" else store.upload(Path(path), uri)
"""


class TestAWorkerThatIsEndedInTheMiddle:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "file"

    def end(self, way: str, path: Path, faulty: FaultServer, by: signal.Signals) -> int:
        """Start a worker, end it when all its parts are under way, and say how it went."""
        faulty.order(GET=[None, Stall(MIB), Stall(MIB)], PART=[None, Stall()])
        command = (sys.executable, "-c", PROGRAM, way, faulty.endpoint, URI, str(path))
        with subprocess.Popen(command, stderr=subprocess.PIPE) as worker:
            if way == "down":
                faulty.await_seen("GET", 3)
            else:
                faulty.await_seen("PART", 2)
            worker.send_signal(by)
            worker.communicate(timeout=30)
        return worker.returncode

    def test_by_force_leaves_no_file_under_its_name(self, path: Path, faulty: FaultServer) -> None:
        assert self.end("down", path, faulty, signal.SIGKILL) == -signal.SIGKILL
        assert not path.exists()

    def test_by_request_leaves_nothing_at_all(self, path: Path, faulty: FaultServer) -> None:
        assert self.end("down", path, faulty, signal.SIGTERM) == 40
        assert files_in(path.parent) == set()

    def test_by_force_leaves_the_object_as_it_was(self, path: Path, faulty: FaultServer) -> None:
        path.write_bytes(OTHER)

        assert self.end("up", path, faulty, signal.SIGKILL) == -signal.SIGKILL
        assert faulty.objects[KEY] == DATA

    def test_by_request_takes_back_what_was_sent(self, path: Path, faulty: FaultServer) -> None:
        path.write_bytes(OTHER)

        assert self.end("up", path, faulty, signal.SIGTERM) == 40
        assert faulty.objects[KEY] == DATA
        assert faulty.uploads == {}
