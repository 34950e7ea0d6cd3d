"""A control plane of one's own: etcd and kube-apiserver, with controllers and scheduler if asked.

>>> with ControlPlane() as control_plane:
...     control_plane.kubectl("get", "namespaces")
"""

import http.client
import shutil
import socket
import ssl
import subprocess
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import yaml

from e2e.localcluster import audit
from e2e.localcluster.binaries import API_PROGRAMS, binaries
from e2e.localcluster.identities import ADMIN, CONTROLLER_MANAGER, SCHEDULER, Identities
from e2e.localcluster.processes import Processes, wait_until

SERVICE_ADDRESSES = "10.96.0.0/16"
_AUDIT_MARKER = "lathe-audit-marker-"


class KubectlError(RuntimeError):
    """kubectl ended with an error; `stderr` is what it said."""

    def __init__(self, arguments: Sequence[str], stderr: str) -> None:
        super().__init__(f"kubectl {' '.join(arguments)}: {stderr.strip()}")
        self.stderr = stderr


@dataclass(frozen=True)
class Endpoint:
    """Where the control plane listens."""

    address: str
    port: int
    etcd_port: int
    etcd_peer_port: int
    namespace: str | None = None
    """The network namespace that its programs live in; None is the one of this process."""

    @classmethod
    def on_loopback(cls) -> "Endpoint":
        """127.0.0.1, at ports that nobody uses now."""
        with socket.socket() as first, socket.socket() as second, socket.socket() as third:
            for each in (first, second, third):
                each.bind(("127.0.0.1", 0))
            ports = [each.getsockname()[1] for each in (first, second, third)]
        return cls("127.0.0.1", *ports)


@dataclass(frozen=True)
class Tuning:
    """What costs differ by, for those who measure them."""

    durable: bool = False
    """Whether etcd waits for the disk, as it does wherever data matter."""
    bodies: bool = True
    """Whether the audit log keeps what was written, not only that it was."""
    controller_manager: tuple[str, ...] = ()
    """Further flags of kube-controller-manager, such as its limits."""
    scheduler: bool = True
    """Whether a scheduler comes with the controllers."""


def _program(name: str) -> Path:
    return binaries([name])[name]


class ControlPlane:
    """etcd and kube-apiserver with RBAC, token users, service accounts and an audit log.

    `folder` keeps everything (state, logs, records); without one it is a temporary folder that
    `stop` deletes, and the kernel ends the programs together with this process. `controllers`
    adds kube-controller-manager and kube-scheduler. `users` maps further users to their groups.
    `tuning` is for benchmarks. The binaries are built when missing, which takes minutes.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        endpoint: Endpoint | None = None,
        controllers: bool = False,
        users: Mapping[str, Sequence[str]] | None = None,
        tuning: Tuning = Tuning(),
    ) -> None:
        self._tuning = tuning
        self.is_temporary = folder is None
        """Whether everything in it ends with this process."""
        self.folder = folder or Path(tempfile.mkdtemp(prefix="lathe-control-plane-"))
        self.endpoint = endpoint or Endpoint.on_loopback()
        self.processes = Processes(self.folder)
        self._controllers = controllers
        self._identities = Identities(self.folder, users or {})

    @property
    def server(self) -> str:
        """The URL of the API server."""
        return f"https://{self.endpoint.address}:{self.endpoint.port}"

    @property
    def certificate_authority(self) -> Path:
        """The PEM file that a client verifies the server with."""
        return self._identities.certificate_authority

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.kubeconfig_for(ADMIN)

    def kubeconfig_for(self, user: str) -> Path:
        """The kubeconfig of one of the users."""
        return self._identities.kubeconfig(user)

    def token(self, user: str = ADMIN) -> str:
        """The bearer token of one of the users; KeyError if there is no such user."""
        return self._identities.token(user)

    @property
    def audit_log(self) -> Path:
        """The file in which every request is, just after its answer."""
        return self.folder / "audit.log"

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Starts what does not run yet and waits until /readyz says ok."""
        extra = ("kube-controller-manager", "kube-scheduler") if self._controllers else ()
        binaries((*API_PROGRAMS, *extra))
        self._identities.write(self.endpoint.address, self.server)
        policy = yaml.safe_dump(audit.policy(bodies=self._tuning.bodies))
        (self.folder / "audit-policy.yaml").write_text(policy, "utf-8")
        self._start_etcd()
        self.start_apiserver()
        if self._controllers:
            self._start_controllers()

    def stop(self) -> None:
        """Ends every program; a temporary folder goes with them."""
        # Nothing of a temporary control plane is worth a clean shutdown.
        grace = 0.0 if self.is_temporary else 10.0
        for name in ("kube-scheduler", "kube-controller-manager", "kube-apiserver", "etcd"):
            self.processes.stop(name, grace=grace)
        if self.is_temporary:
            shutil.rmtree(self.folder, ignore_errors=True)

    def start_apiserver(self) -> None:
        """Starts kube-apiserver at the same port as ever and waits until it is ready."""
        self._start("kube-apiserver", self._apiserver_flags())
        self.processes.await_ready("kube-apiserver", self._is_ready)

    def stop_apiserver(self) -> None:
        """Ends kube-apiserver; etcd and the controllers go on."""
        self.processes.stop("kube-apiserver", grace=2.0)

    def restart_apiserver(self) -> None:
        """Stops and starts kube-apiserver: clients lose their connections and watches."""
        self.stop_apiserver()
        self.start_apiserver()

    def kubectl(self, *arguments: str, user: str = ADMIN, stdin: str | None = None) -> str:
        """Runs kubectl as `user`; gives what it printed, or raises KubectlError."""
        command = [
            *(str(_program("kubectl")), f"--kubeconfig={self.kubeconfig_for(user)}"),
            *(f"--cache-dir={self.folder / 'kubectl-cache'}", *arguments),
        ]
        done = subprocess.run(command, input=stdin, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            raise KubectlError(arguments, done.stderr)
        return done.stdout

    def apply(self, *documents: Mapping[str, object], user: str = ADMIN) -> None:
        """Applies manifests given as data."""
        self.kubectl("apply", "-f", "-", user=user, stdin=yaml.safe_dump_all(documents))

    def audit_events(self) -> list[audit.AuditEvent]:
        """All requests about resources that were answered before this call, oldest first.

        The log is written just after the answer: this makes a request of its own and reads until
        that one is there. Those requests are not in the list.
        """
        marker = f"{_AUDIT_MARKER}{uuid.uuid4()}"
        self._get(f"/api/v1/namespaces/{marker}")
        events: list[audit.AuditEvent] = []

        def marked() -> bool:
            events[:] = audit.read(self.audit_log)
            return any(event.name == marker for event in events)

        wait_until(marked, "the audit log's last line", seconds=10.0, every=0.02)
        return [event for event in events if not event.name.startswith(_AUDIT_MARKER)]

    def _start(self, program: str, flags: Sequence[str]) -> None:
        self.processes.start(
            program,
            [_program(program), *flags],
            namespace=self.endpoint.namespace,
            tied=self.is_temporary,
        )

    def _start_etcd(self) -> None:
        client = f"http://127.0.0.1:{self.endpoint.etcd_port}"
        peer = f"http://127.0.0.1:{self.endpoint.etcd_peer_port}"
        self._start(
            "etcd",
            [
                f"--data-dir={self.folder / 'etcd'}",
                *(f"--listen-client-urls={client}", f"--advertise-client-urls={client}"),
                *(f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}"),
                f"--initial-cluster=default={peer}",
                *(() if self._tuning.durable else ("--unsafe-no-fsync",)),
                "--log-level=warn",
            ],
        )

    def _start_controllers(self) -> None:
        self._start(
            "kube-controller-manager",
            [
                f"--kubeconfig={self.kubeconfig_for(CONTROLLER_MANAGER)}",
                f"--root-ca-file={self.certificate_authority}",
                f"--service-account-private-key-file={self._identities.service_account_key}",
                *("--use-service-account-credentials", "--leader-elect=false", "--secure-port=0"),
                *self._tuning.controller_manager,
            ],
        )
        if self._tuning.scheduler:
            self._start_scheduler()
        self.processes.await_ready(
            "kube-controller-manager",
            lambda: self._get("/api/v1/namespaces/default/serviceaccounts/default") == 200,
        )

    def _start_scheduler(self) -> None:
        self._start(
            "kube-scheduler",
            [
                f"--kubeconfig={self.kubeconfig_for(SCHEDULER)}",
                *("--leader-elect=false", "--secure-port=0"),
            ],
        )

    def _apiserver_flags(self) -> list[str]:
        on_loopback = self.endpoint.address == "127.0.0.1"
        return [
            f"--etcd-servers=http://127.0.0.1:{self.endpoint.etcd_port}",
            *(f"--bind-address={self.endpoint.address}", f"--secure-port={self.endpoint.port}"),
            f"--advertise-address={self.endpoint.address}",
            # The Service "kubernetes" cannot have an endpoint on loopback.
            f"--endpoint-reconciler-type={'none' if on_loopback else 'lease'}",
            f"--service-cluster-ip-range={SERVICE_ADDRESSES}",
            "--kubelet-preferred-address-types=InternalIP",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            *self._identities.apiserver_flags(),
            f"--audit-policy-file={self.folder / 'audit-policy.yaml'}",
            *(f"--audit-log-path={self.audit_log}", "--audit-log-mode=blocking"),
            "--audit-log-maxsize=10000",
            "--profiling=false",
        ]

    def _is_ready(self) -> bool:
        return self._get("/readyz") == http.client.OK

    def _get(self, path: str) -> int:
        context = ssl.create_default_context(cafile=str(self.certificate_authority))
        connection = http.client.HTTPSConnection(
            self.endpoint.address, self.endpoint.port, timeout=5, context=context
        )
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {self.token()}"})
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()
