"""The operator's real process before a real API server, and a team whose kubelet is the test."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import yaml

from e2e.localcluster.audit import AuditEvent
from e2e.localcluster.controlplane import ControlPlane
from e2e.localcluster.processes import wait_until
from tests import kubelet
from tests.builders import ResourceBuilder, a_resource

Document = dict[str, Any]

SYSTEM = "lathe-system"
USER = f"system:serviceaccount:{SYSTEM}:lathe-operator"
CHARTS = Path(__file__).parents[3] / "charts" / "kustomize"


def now() -> str:
    """The time as Kubernetes writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def install(control_plane: ControlPlane) -> None:
    """Install the operator's rights and policies, as its README says; its pod is the test's."""
    control_plane.kubectl("apply", "-k", str(CHARTS / "base"))


def token_config(control_plane: ControlPlane, folder: Path) -> Path:
    """A kubeconfig with nothing but the operator's own token."""
    token = control_plane.kubectl("create", "token", "lathe-operator", "-n", SYSTEM).strip()
    config = yaml.safe_load(control_plane.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token}
    path = folder / "operator.kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path


def credential(kubeconfig: Path) -> str:
    """How the audit log calls the token of a kubeconfig."""
    token = yaml.safe_load(kubeconfig.read_text())["users"][0]["user"]["token"]
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return f"JTI={claims['jti']}"


class OperatorProcess:
    """`python -m lathe_operator.main`, with the rights of its ServiceAccount."""

    def __init__(self, kubeconfig: Path, log: Path, **environment: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.log = log
        self._environment = {
            "KUBECONFIG": str(kubeconfig),
            "LATHE_WORKER_IMAGE": "lathe-worker:test",
            "LATHE_HOST": "127.0.0.1",
            "LATHE_PORT": str(self._port),
            "LATHE_LEASE_SECONDS": "3",
            "LATHE_LEASE_RETRY_SECONDS": "0.3",
            **environment,
        }

    def begin(self) -> Self:
        """Start it, and wait for nothing."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "lathe_operator.main"], env=self._environment, stderr=log
            )
        return self

    def __enter__(self) -> Self:
        self.begin()
        self.until(lambda: self.get("/healthz") == "ok", "the operator to answer", 90.0)
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def until(self, holds: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
        """Wait until something holds, while the process lives."""

        def looks() -> bool:
            ended = self.process.poll()
            assert ended is None, f"the operator ended with {ended}: {self.log.read_text()[-2000:]}"
            return holds()

        wait_until(looks, what, seconds=seconds, every=0.05)

    def until_leading(self) -> None:
        """Wait until it leads and watches."""
        self.until(lambda: self.leads and self.get("/readyz") == "ok", "the operator to lead", 90.0)

    @property
    def leads(self) -> bool:
        """Whether its own metrics say that it leads."""
        return "lathe_leader 1.0" in self.get("/metrics")

    @property
    def memory(self) -> int:
        """Bytes of memory that it holds."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGESIZE")

    def get(self, path: str) -> str:
        """What it answers; empty when it does not, or answers with an error."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=5) as told:
                return str(told.read().decode())
        except (urllib.error.URLError, OSError):
            return ""

    def terminate(self) -> int:
        """Ask it to end, as the kubelet does, and give its exit code."""
        self.process.terminate()
        return self.process.wait(20)

    def kill(self) -> None:
        """End it without asking."""
        self.process.kill()
        self.process.wait(20)


@dataclass(frozen=True)
class Team:
    """A namespace with one resource, and a test that plays its Job controller and kubelet."""

    control_plane: ControlPlane
    namespace: str

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        return self.control_plane.kubectl(*arguments, "-n", self.namespace, stdin=stdin)

    def get(self, *what: str) -> Document:
        found: Document = json.loads(self.kubectl("get", *what, "-o", "json"))
        return found

    def apply(self, resource: ResourceBuilder | None = None) -> None:
        document = yaml.safe_dump((resource or a_resource()).document())
        self.kubectl("apply", "--server-side", "-f", "-", stdin=document)

    @property
    def status(self) -> Document:
        found: Document = self.get("mo", "digits").get("status") or {}
        return found

    @property
    def jobs(self) -> list[Document]:
        found: list[Document] = self.get("jobs")["items"]
        return found

    def until_phase(self, phase: str, seconds: float = 30.0) -> Document:
        """Wait for a phase, and give the status."""
        last: Document = {}

        def reached() -> bool:
            last.clear()
            last.update(self.status)
            return last.get("phase") == phase

        try:
            wait_until(reached, f"the phase {phase}", seconds=seconds, every=0.1)
        except TimeoutError as late:
            raise AssertionError(f"{late}; it is at {json.dumps(last, indent=1)}") from late
        return last

    def until_job(self, count: int = 1) -> Document:
        """Wait until there are so many Jobs, and give the newest."""
        wait_until(lambda: len(self.jobs) == count, f"{count} Jobs", seconds=30.0, every=0.1)
        return max(self.jobs, key=lambda job: int(job["metadata"]["resourceVersion"]))

    def start_pod(self, job: Document, suffix: str = "abcde") -> str:
        """Create the Job's pod and let it run."""
        name = f"{job['metadata']['name']}-{suffix}"
        pod = kubelet.pod_of(job, name)
        del pod["metadata"]["creationTimestamp"]
        self.kubectl("create", "-f", "-", stdin=yaml.safe_dump(pod))
        self.write_status("pod", name, kubelet.running(now()))
        return name

    def write_status(self, kind: str, name: str, status: Document) -> None:
        """Write a status as a controller or the kubelet would."""
        patch = json.dumps({"status": status})
        self.kubectl("patch", kind, name, "--subresource=status", "--type=merge", "-p", patch)

    def end(self, job: Document, pod: str, exit_code: int = 0, message: str = "") -> None:
        """End the pod, and its Job."""
        words, time = message or kubelet.success(), now()
        ended = kubelet.ended(exit_code, words, finished=time)
        self.write_status("pod", pod, ended)
        status = kubelet.failed(time=time) if exit_code else kubelet.complete(time)
        self.write_status("job", job["metadata"]["name"], status)

    def succeed(self) -> Document:
        """Play a whole run, and give the status that it leads to."""
        job = self.until_job()
        pod = self.start_pod(job)
        self.until_phase("Running")
        self.end(job, pod)
        return self.until_phase("Succeeded")

    def asked(self) -> list[AuditEvent]:
        """Everything that operators have asked of this namespace, granted or not."""
        return [
            event
            for event in self.control_plane.audit_events()
            if event.user == USER and event.namespace == self.namespace
        ]

    def written(self, *, but: str = " ") -> Counter[str]:
        """How often operators have written what in this namespace, but about one resource."""
        return Counter(
            "/".join(filter(None, (event.verb, event.resource, event.subresource)))
            for event in self.asked()
            if event.is_write and not event.name.startswith(but)
        )
