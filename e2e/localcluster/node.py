"""One node that runs real containers: containerd, kubelet and kube-proxy, with GPUs on paper."""

import json
import shutil
from pathlib import Path

import yaml

from e2e.localcluster import documents, leftovers, network, registry
from e2e.localcluster.binaries import binaries
from e2e.localcluster.controlplane import ControlPlane
from e2e.localcluster.processes import CommandError, run, wait_until

NAME = "lathe-node"
KUBELET_USER = f"system:node:{NAME}"
PROXY_USER = "system:kube-proxy"
USERS = {KUBELET_USER: ("system:nodes",), PROXY_USER: ()}
"""The users that a node's control plane has to know."""

GPU = "nvidia.com/gpu"
PRODUCT_LABEL = "nvidia.com/gpu.product"
PODS_GROUP = "kubepods"
"""The control group of all pods; there can be one kubelet on a machine."""

KUBELET_PROGRAMS = ("kubelet", "kube-proxy")
_CONTAINERS = ("ctr", "--namespace", "k8s.io")


class Node:
    """The node of one cluster, whose control plane must be running before it starts.

    `folder` is for what ends with the node, `content` for images that the next one uses again.
    """

    def __init__(self, control_plane: ControlPlane, folder: Path, content: Path) -> None:
        self._control_plane = control_plane
        self._processes = control_plane.processes
        self._folder = folder
        self._content = content
        self._socket = folder / "containerd.sock"
        self._logs = folder / "pod-logs"

    def start_containerd(self, pause_image: str) -> None:
        """Starts containerd with the CRI and waits for its answer."""
        self._folder.mkdir(parents=True, exist_ok=True)
        document = documents.containerd(
            content=self._content,
            state=self._folder / "containerd",
            socket=self._socket,
            cni=self._folder / "cni",
            pause_image=pause_image,
            registries=self._folder / "registries",
        )
        config = self._folder / "containerd.toml"
        config.write_text(documents.toml(document), "utf-8")
        hosts = self._folder / "registries" / registry.ADDRESS / "hosts.toml"
        hosts.parent.mkdir(parents=True, exist_ok=True)
        hosts.write_text(documents.toml(documents.plain_registry(registry.ADDRESS)), "utf-8")
        plugins = documents.cni(pods=network.POD_ADDRESSES, leases=self._folder / "addresses")
        (self._folder / "cni").mkdir(exist_ok=True)
        (self._folder / "cni" / "10-lathe.conflist").write_text(json.dumps(plugins), "utf-8")
        self._processes.start(
            "containerd", ["containerd", "--config", config], namespace=network.NAMESPACE
        )
        self._processes.await_ready("containerd", self._containerd_answers)

    def start_kubelet(self, *, gpu_product: str) -> None:
        """Starts the kubelet, which registers the node with the label of `gpu_product`."""
        document = documents.kubelet(
            address=network.NODE_ADDRESS,
            ca=self._control_plane.certificate_authority,
            socket=self._socket,
            logs=self._logs,
        )
        command = [
            str(binaries(["kubelet"])["kubelet"]),
            f"--config={self._write('kubelet.yaml', document)}",
            f"--kubeconfig={self._control_plane.kubeconfig_for(KUBELET_USER)}",
            f"--root-dir={self._folder / 'kubelet'}",
            f"--cert-dir={self._folder / 'kubelet' / 'pki'}",
            *(f"--hostname-override={NAME}", f"--node-ip={network.NODE_ADDRESS}"),
            f"--node-labels={PRODUCT_LABEL}={gpu_product}",
        ]
        self._processes.start("kubelet", command, namespace=network.NAMESPACE)
        self._processes.await_ready("kubelet", self.is_ready, seconds=120)

    def start_proxy(self) -> None:
        """Starts kube-proxy, which makes Services reachable."""
        document = documents.kube_proxy(
            kubeconfig=self._control_plane.kubeconfig_for(PROXY_USER),
            address=network.NODE_ADDRESS,
            node=NAME,
            pods=network.POD_ADDRESSES,
        )
        command = [
            str(binaries(["kube-proxy"])["kube-proxy"]),
            f"--config={self._write('kube-proxy.yaml', document)}",
        ]
        self._processes.start("kube-proxy", command, namespace=network.NAMESPACE)

    def set_gpus(self, count: int) -> None:
        """Makes the node count `count` GPUs that are not there; the kubelet leaves that alone."""
        amounts = {GPU: str(count)}
        patch = json.dumps({"status": {"capacity": amounts, "allocatable": amounts}})
        arguments = ("patch", "node", NAME, "--subresource=status", "--type=merge", "-p", patch)
        self._control_plane.kubectl(*arguments)

    def is_ready(self) -> bool:
        """Whether the node says that it can run pods."""
        condition = "jsonpath={.status.conditions[?(@.type=='Ready')].status}"
        arguments = ("get", "node", NAME, "--ignore-not-found", "-o", condition)
        return self._control_plane.kubectl(*arguments) == "True"

    def stop(self) -> None:
        """Ends the node's programs and every container, and removes what those left."""
        for name in KUBELET_PROGRAMS:
            self._processes.stop(name)
        if self._processes.find("containerd") is not None:
            self._remove_containers()
        self._processes.stop("containerd")
        leftovers.end_processes_naming(str(self._socket))
        leftovers.remove_control_groups(PODS_GROUP)
        leftovers.unmount_below(self._folder)
        leftovers.remove_network_results(documents.CNI_NETWORK)
        leftovers.remove_links_into(Path("/var/log/containers"), self._logs)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _remove_containers(self) -> None:
        for task in self._ctr("tasks", "list", "--quiet").split():
            self._ctr("tasks", "kill", "--signal", "SIGKILL", task)
        wait_until(self._all_tasks_ended, "the end of the containers", seconds=30)
        for container in self._ctr("containers", "list", "--quiet").split():
            self._ctr("containers", "delete", container)

    def _all_tasks_ended(self) -> bool:
        states = self._ctr("tasks", "list").splitlines()[1:]
        return all(line.split()[-1] == "STOPPED" for line in states)

    def _ctr(self, *arguments: str) -> str:
        return run(*_CONTAINERS, "--address", self._socket, *arguments)

    def _containerd_answers(self) -> bool:
        try:
            self._ctr("version")
        except CommandError:
            return False
        return True

    def _write(self, name: str, document: dict[str, object]) -> Path:
        path = self._folder / name
        path.write_text(yaml.safe_dump(document), "utf-8")
        return path
