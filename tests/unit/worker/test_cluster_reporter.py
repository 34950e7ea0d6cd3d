"""Progress for the cluster: the newest, not too often, and never in the way of the run."""

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from e2e.localcluster.certificates import authority, issue
from lathe_api.v1alpha1.status import Progress
from lathe_worker.cluster_reporter import Cluster, ClusterReporter, patience


def at(percent: int, step: str = "train") -> Progress:
    return Progress(percent=percent, step=step)


WAITS: dict[str, tuple[float | None, Progress | None, Progress | None, float]] = {
    "nothing was said yet": (None, None, None, 100.0),
    "nothing is new": (None, at(1), at(1), 100.0),
    "the first word goes at once": (-4.0, at(1), None, 5.0),
    "the same step a moment ago waits": (4.0, at(2), at(1), 1.0),
    "the same step long ago goes at once": (-5.0, at(2), at(1), 10.0),
    "another step waits for a moment": (0.75, at(2, "fuse"), at(1), 0.25),
    "another step goes soon": (-1.0, at(2, "fuse"), at(1), 2.0),
}


@pytest.mark.parametrize(
    ("expected", "newest", "written", "passed"), WAITS.values(), ids=WAITS.keys()
)
def test_how_long_progress_waits(
    expected: float | None, newest: Progress | None, written: Progress | None, passed: float
) -> None:
    assert patience(newest, written, passed) == expected


@dataclass
class ApiServer:
    """Answers every write with one status, and remembers what it got."""

    port: int = 0
    status: int = 200
    got: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)
    silent: threading.Event = field(default_factory=threading.Event)

    def progress(self) -> list[dict[str, Any]]:
        return [document["status"]["progress"] for _, _, document in self.got]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    issue(authority(folder), "server", "/CN=server", alternatives=["IP:127.0.0.1"])
    return folder


@pytest.fixture
def server(certificates: Path) -> Iterator[ApiServer]:
    api = ApiServer()

    class Handler(BaseHTTPRequestHandler):
        def do_PATCH(self) -> None:
            if api.silent.is_set():
                return
            body = self.rfile.read(int(self.headers["Content-Length"]))
            api.got.append((self.path, self.headers["Authorization"], json.loads(body)))
            self.send_response(api.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_request(self, *_: object) -> None:
            """Say nothing."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "server.crt", certificates / "server.key")
    http.socket = context.wrap_socket(http.socket, server_side=True)
    api.port = http.server_port
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    yield api
    http.shutdown()
    http.server_close()
    thread.join()


@pytest.fixture
def cluster(server: ApiServer, certificates: Path, tmp_path: Path) -> Cluster:
    (tmp_path / "token").write_text("secret\n")
    return Cluster(
        host="127.0.0.1",
        port=server.port,
        token=tmp_path / "token",
        ca=certificates / "ca.crt",
        namespace="team",
        name="digits",
    )


def eventually(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 20
    while not holds() and time.monotonic() < deadline:
        threading.Event().wait(0.01)
    return holds()


def test_the_first_progress_and_the_last_are_written(cluster: Cluster, server: ApiServer) -> None:
    with ClusterReporter(cluster) as reporter:
        reporter.update(at(1))
        assert eventually(lambda: len(server.got) == 1)
        for percent in range(2, 100):
            reporter.update(at(percent))
        reporter.update(at(100))

    assert [each["percent"] for each in server.progress()] == [1, 100]
    assert all(each["updated"].endswith("Z") for each in server.progress())


def test_it_applies_its_own_field_of_the_status_with_the_pods_token(
    cluster: Cluster, server: ApiServer
) -> None:
    with ClusterReporter(cluster) as reporter:
        reporter.update(at(1))

    ((path, authorization, document),) = server.got
    assert path == (
        "/apis/lathe.dev/v1alpha1/namespaces/team/modeloptimizations/digits/status"
        "?fieldManager=lathe-worker&force=true"
    )
    assert authorization == "Bearer secret"
    assert document["kind"] == "ModelOptimization"
    assert document["status"].keys() == {"progress"}


@pytest.mark.parametrize("status", [401, 403, 404])
def test_where_it_may_not_write_it_does_not_ask_again(
    status: int, cluster: Cluster, server: ApiServer
) -> None:
    server.status = status

    with ClusterReporter(cluster) as reporter:
        reporter.update(at(1))
        assert eventually(lambda: len(server.got) == 1)
        reporter.update(at(2, "fuse"))

    assert len(server.got) == 1


def test_a_server_that_has_trouble_is_asked_again(cluster: Cluster, server: ApiServer) -> None:
    server.status = 503

    with ClusterReporter(cluster) as reporter:
        reporter.update(at(1))
        assert eventually(lambda: len(server.got) == 1)
        server.status = 200
        reporter.update(at(2, "fuse"))

    assert [each["percent"] for each in server.progress()] == [1, 2]


def test_nobody_there_harms_nothing(cluster: Cluster, server: ApiServer) -> None:
    server.silent.set()

    with ClusterReporter(cluster) as reporter:
        reporter.update(at(1))
        reporter.update(at(2))

    assert server.got == []


def test_a_server_of_another_authority_is_told_nothing(
    cluster: Cluster, server: ApiServer, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    other = authority(tmp_path / "other")
    stranger = Cluster(
        cluster.host, cluster.port, cluster.token, other.certificate, "team", "digits"
    )

    with ClusterReporter(stranger) as reporter:
        reporter.update(at(1))

    assert server.got == []
