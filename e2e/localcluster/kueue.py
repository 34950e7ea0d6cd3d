"""Kueue beside a control plane: its real manager, with its own definitions, rights and webhooks.

>>> with ControlPlane(controllers=True) as control_plane, Kueue(control_plane):
...     control_plane.kubectl("get", "clusterqueues")
"""

import base64
import http.client
import json
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Self

import yaml

from e2e.localcluster import certificates
from e2e.localcluster.binaries import GOMOD, KUEUE, binaries
from e2e.localcluster.cache import alone
from e2e.localcluster.controlplane import ControlPlane, KubectlError
from e2e.localcluster.processes import run, wait_until

Document = dict[str, Any]

NAME = "kueue"
SYSTEM = "kueue-system"
ACCOUNT = "kueue-controller-manager"
SERVICE = f"kueue-webhook-service.{SYSTEM}.svc"
SECRET = "kueue-webhook-server-cert"  # noqa: S105 - its name
LEFT_OUT = frozenset({"APIService", "Deployment", "Service"})
"""What only a pod of its own needs: the API server calls the process by its address instead."""
PORTS = (9443, 8081)
"""For its webhooks and its health, where a network namespace of the cluster's keeps them free."""


class Kueue:
    """Kueue's manager as a process beside the API server, installed from its own kustomization.

    It manages Jobs and nothing else. Where the control plane outlives this process, so does it.
    """

    def __init__(self, control_plane: ControlPlane) -> None:
        self._control_plane = control_plane
        self._folder = control_plane.folder / NAME

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def runs(self) -> bool:
        """Whether its manager runs."""
        return self._control_plane.processes.find(NAME) is not None

    def start(self) -> None:
        """Install it and start its manager, unless it runs; wait until it holds Jobs back."""
        processes, endpoint = self._control_plane.processes, self._control_plane.endpoint
        if self.runs:
            return
        webhooks, health = PORTS if endpoint.namespace else _free_ports(endpoint.address)
        pki = self._make_certificates()
        self._install(f"https://{endpoint.address}:{webhooks}", pki)
        config = configuration(endpoint.address, webhooks, health, pki)
        command: list[str | Path] = [
            binaries([NAME])[NAME],
            f"--config={self._write('config.yaml', config)}",
            f"--kubeconfig={self._write('kubeconfig.yaml', self._kubeconfig())}",
        ]
        processes.start(
            NAME, command, namespace=endpoint.namespace, tied=self._control_plane.is_temporary
        )
        processes.await_ready(NAME, lambda: _is_ready(endpoint.address, health))
        wait_until(self._holds_jobs_back, "Kueue's webhook to be called", seconds=30.0)

    def stop(self) -> None:
        """End its manager; nobody can create Jobs then, until its webhooks are gone as well."""
        self._control_plane.processes.stop(NAME, grace=0.0)

    def _make_certificates(self) -> Path:
        """As Kueue would make them for its Service, good for its address as well."""
        folder = self._folder / "pki"
        if not (folder / "tls.crt").exists():
            folder.mkdir(parents=True, mode=0o700, exist_ok=True)
            ca = certificates.authority(
                folder, alternatives=["DNS:kueue-ca"], key=certificates.rsa_private_key
            )
            address = f"IP:{self._control_plane.endpoint.address}"
            names = [f"DNS:{SERVICE}", address]
            certificates.issue(ca, "tls", f"/CN={SERVICE}", alternatives=names)
        return folder

    def _install(self, url: str, pki: Path) -> None:
        with _manifests().open(encoding="utf-8") as rendered:
            found = adapted(yaml.load_all(rendered, Loader=yaml.CSafeLoader), url, pki)
            text = yaml.dump_all(found, Dumper=yaml.CSafeDumper)
        apply = ("apply", "--server-side", "--force-conflicts", "--filename=-")
        self._control_plane.kubectl(*apply, stdin=text)
        self._control_plane.kubectl(
            *("wait", "--for=condition=Established", "--timeout=60s"),
            "crd/workloads.kueue.x-k8s.io",
        )

    def _kubeconfig(self) -> Document:
        """The administrator's, with the token of Kueue's own account, for a year."""
        year = "--duration=8760h"
        token = self._control_plane.kubectl(
            "create", "token", ACCOUNT, f"--namespace={SYSTEM}", year
        )
        config: Document = yaml.safe_load(self._control_plane.kubeconfig.read_text("utf-8"))
        config["users"][0]["user"] = {"token": token.strip()}
        return config

    def _write(self, name: str, document: Document) -> Path:
        path = self._folder / name
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump(document), "utf-8")
        return path

    def _holds_jobs_back(self) -> bool:
        """Whether a Job that asks for a queue comes back suspended; it is never created."""
        container = {"name": "none", "image": "none.invalid/none"}
        job = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": "none", "labels": {"kueue.x-k8s.io/queue-name": "none"}},
            "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [container]}}},
        }
        create = ("create", "--dry-run=server", "--output=json", "--filename=-")
        try:
            made = self._control_plane.kubectl(*create, stdin=yaml.safe_dump(job))
        except KubectlError:
            return False
        return bool(json.loads(made)["spec"]["suspend"])


def configuration(address: str, webhooks: int, health: int, pki: Path) -> Document:
    """Kueue's configuration: only Jobs, one replica, no metrics, its certificates from `pki`."""
    return {
        "apiVersion": "config.kueue.x-k8s.io/v1beta2",
        "kind": "Configuration",
        "namespace": SYSTEM,
        "health": {"healthProbeBindAddress": f"{address}:{health}"},
        "metrics": {"bindAddress": "0"},
        "webhook": {"host": address, "port": webhooks, "certDir": str(pki)},
        "leaderElection": {"leaderElect": False},
        "integrations": {"frameworks": ["batch/job"]},
        "featureGates": {"VisibilityOnDemand": False},
    }


def adapted(documents: Iterable[Document], url: str, pki: Path) -> Iterator[Document]:
    """Kueue's own manifests without its pod; webhooks by URL, under the authority in `pki`."""
    for document in documents:
        if document["kind"] in LEFT_OUT:
            continue
        conversion = document.get("spec", {}).get("conversion", {}).get("webhook")
        for webhook in (*document.get("webhooks", ()), *([conversion] if conversion else ())):
            path = webhook["clientConfig"]["service"]["path"]
            webhook["clientConfig"] = {"url": f"{url}{path}", "caBundle": _base64(pki / "ca.crt")}
        if document["kind"] == "Secret" and document["metadata"]["name"] == SECRET:
            names = ("ca.crt", "ca.key", "tls.crt", "tls.key")
            document["data"] = {name: _base64(pki / name) for name in names}
        yield document


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def _manifests() -> Path:
    """Kueue's installation as one file, rendered once from the module that its manager is from."""
    path = binaries([NAME])[NAME].parent / "manifests.yaml"
    with alone(NAME):
        if not path.exists():
            download = ("go", "mod", "download", "-json", KUEUE.module)
            module = json.loads(run(*download, cwd=GOMOD / KUEUE.folder))["Dir"]
            kubectl = binaries(["kubectl"])["kubectl"]
            draft = path.with_suffix(".draft")
            draft.write_text(run(kubectl, "kustomize", f"{module}/config/default"), "utf-8")
            draft.replace(path)
    return path


def _free_ports(address: str) -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        for each in (first, second):
            each.bind((address, 0))
        return first.getsockname()[1], second.getsockname()[1]


def _is_ready(address: str, port: int) -> bool:
    connection = http.client.HTTPConnection(address, port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()
