"""Progress for `kubectl get`: the worker's own field of the resource's status.

The pod's short-lived token may write that field and nothing else. Where it may not, or nobody is
there to be asked, progress is absent and everything else works.
"""

import http.client
import json
import logging
import ssl
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from lathe_api.v1alpha1.resource import API_VERSION, GROUP, KIND, PLURAL, VERSION
from lathe_api.v1alpha1.status import Progress

MANAGER = "lathe-worker"
"""Field manager of the worker's writes."""
INTERVAL = 5.0
"""Least seconds between two writes."""
INTERVAL_OF_STEPS = 1.0
"""Least seconds between two writes when another step has begun."""
TIMEOUT = 5.0
"""Seconds for one write; also how long the end of a run may wait for the last one."""
REFUSED = frozenset(
    {
        http.HTTPStatus.UNAUTHORIZED,
        http.HTTPStatus.FORBIDDEN,
        http.HTTPStatus.NOT_FOUND,
        http.HTTPStatus.METHOD_NOT_ALLOWED,
    }
)
"""Answers after which there is no use in asking again."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Cluster:
    """The API server, and the resource that a pod reports on.

    Attributes:
        host: Of the API server.
        port: Of the API server.
        token: File with the pod's token; it is read for every write, since it is renewed.
        ca: File with the certificates to trust; the system's when there is no such file.
        namespace: Of the resource.
        name: Of the resource.
    """

    host: str
    port: int
    token: Path
    ca: Path
    namespace: str
    name: str

    @property
    def path(self) -> str:
        """Where a write of progress goes."""
        return (
            f"/apis/{GROUP}/{VERSION}/namespaces/{self.namespace}/{PLURAL}/{self.name}/status"
            f"?fieldManager={MANAGER}&force=true"
        )


class ClusterReporter:
    """Writes progress to the cluster from a thread of its own, the newest only, not too often."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._changed = threading.Condition()
        self._newest: Progress | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._write_on, daemon=True)

    def update(self, progress: Progress) -> None:
        """See `Reporter.update`."""
        with self._changed:
            self._newest = progress
            self._changed.notify()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write what is not yet written, if that is possible in a moment."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(TIMEOUT)

    def _write_on(self) -> None:
        written, last = None, -INTERVAL
        while (progress := self._due(written, last)) is not None:
            last = time.monotonic()
            status = self._write(progress)
            if status < http.HTTPStatus.BAD_REQUEST:
                written = progress
            elif status in REFUSED or (self._closing and progress == self._newest):
                return
            else:
                last += INTERVAL  # it has trouble enough

    def _due(self, written: Progress | None, last: float) -> Progress | None:
        """Wait for progress that is to be written now; None when there will be no more."""
        with self._changed:
            while not self._closing:
                wait = patience(self._newest, written, time.monotonic() - last)
                if wait is not None and wait <= 0:
                    return self._newest
                self._changed.wait(wait)
            return self._newest if self._newest != written else None

    def _write(self, progress: Progress) -> int:
        """Write; gives the HTTP status, or that of a server that is not there."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        try:
            status = _patch(self._cluster, progress.model_copy(update={"updated": now}))
        except (OSError, http.client.HTTPException) as error:
            log.info("progress could not be written: %s", error)
            return http.HTTPStatus.SERVICE_UNAVAILABLE
        if status in REFUSED:
            log.info("progress is not written: the API server answers %d", status)
        return status


def patience(newest: Progress | None, written: Progress | None, passed: float) -> float | None:
    """How many seconds to wait before writing; None when there is nothing to write.

    Args:
        newest: Where the run is.
        written: What was written last.
        passed: Seconds since then.
    """
    if newest is None or newest == written:
        return None
    same_step = written is not None and written.step == newest.step
    return (INTERVAL if same_step else INTERVAL_OF_STEPS) - passed


def _patch(cluster: Cluster, progress: Progress) -> int:
    """Apply the field that is ours; gives the HTTP status."""
    document = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": cluster.name, "namespace": cluster.namespace},
        "status": {"progress": progress.model_dump(mode="json", exclude_none=True)},
    }
    ca = str(cluster.ca) if cluster.ca.exists() else None
    connection = http.client.HTTPSConnection(
        cluster.host,
        cluster.port,
        timeout=TIMEOUT,
        context=ssl.create_default_context(cafile=ca),
    )
    try:
        connection.request(
            "PATCH",
            cluster.path,
            body=json.dumps(document),
            headers={
                "Authorization": f"Bearer {cluster.token.read_text().strip()}",
                "Content-Type": "application/apply-patch+yaml",
                "Accept": "application/json",
            },
        )
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()
