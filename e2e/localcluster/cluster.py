"""The whole cluster: what is started in which order, and how all of it goes away."""

import shutil

from e2e.localcluster import debian, leftovers, network, objectstore, registry
from e2e.localcluster.binaries import binaries
from e2e.localcluster.buildah import Buildah
from e2e.localcluster.cache import alone, cache_root
from e2e.localcluster.controlplane import ControlPlane, Endpoint
from e2e.localcluster.images import Images
from e2e.localcluster.node import NAME, PODS_GROUP, USERS, Node
from e2e.localcluster.objectstore import ObjectStore
from e2e.localcluster.processes import Processes, StartError
from e2e.localcluster.stages import Stages

ENDPOINT = Endpoint(network.NODE_ADDRESS, 6443, 2379, 2380, network.NAMESPACE)
GPUS = 2
GPU_PRODUCT = "NVIDIA-L4"

# Everything that a healthy cluster has running.
PROGRAMS = (
    *("registry", "s3", "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"),
    *("containerd", "kubelet", "kube-proxy"),
)


class Cluster:
    """The one local cluster of this machine, in `$LATHE_CACHE/cluster` while it runs.

    Images, layers and binaries lie beside that folder and outlive the cluster.
    """

    def __init__(self, stages: Stages) -> None:
        self._stages = stages
        cache = cache_root()
        self.folder = cache / "cluster"
        self._caches = [cache / "registry", cache / "buildah", cache / "containerd"]
        self._registry, self._layers, self._content = self._caches
        self.processes = Processes(self.folder)
        self.control_plane = ControlPlane(
            self.folder, endpoint=ENDPOINT, controllers=True, users=USERS
        )
        self.object_store = ObjectStore()
        self._node = Node(self.control_plane, self.folder / "node", self._content)
        self.images = Images(Buildah(self._layers, self.folder / "buildah"), stages.note)

    def up(self, *, gpu_product: str = GPU_PRODUCT) -> None:
        """Starts what does not run; a cluster that runs in part is taken down first."""
        stage = self._stages.stage
        with stage("packages of this machine"):
            debian.require(self._stages.note)
        with stage("Kubernetes' programs"):
            binaries(say=self._stages.note)
        with alone("cluster"):
            if not self.is_whole():
                self._start_anew(gpu_product)

    def _start_anew(self, gpu_product: str) -> None:
        if self.processes.names() or network.exists():
            with self._stages.stage("remains of an earlier cluster"):
                self._remove()
        if leftovers.control_groups(PODS_GROUP):
            raise StartError("another kubelet runs pods on this machine: end it, run again")
        self._start(gpu_product)

    def _start(self, gpu_product: str) -> None:
        stage = self._stages.stage
        shutil.rmtree(self.folder / "log", ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        with stage("network"):
            network.create()
        with stage(f"registry {registry.ADDRESS}"):
            registry.start(self.processes, self.folder, self._registry)
        with stage(f"control plane {self.control_plane.server}"):
            self.control_plane.start()
        with stage("pause image"):
            pause = self.images.pause()
        with stage("containerd"):
            self._node.start_containerd(pause)
        with stage(f"node {NAME} with {GPUS} {gpu_product}"):
            self._node.start_proxy()
            self._node.start_kubelet(gpu_product=gpu_product)
            self._node.set_gpus(GPUS)
        with stage(f"S3 server {self.object_store.endpoint}"):
            objectstore.start(self.processes, self.folder, self.object_store)

    def is_whole(self) -> bool:
        """Whether every program runs and the node is ready."""
        if any(self.processes.find(name) is None for name in PROGRAMS):
            return False
        return self._node.is_ready()

    def down(self, *, purge: bool = False) -> None:
        """Ends and removes the cluster; `purge` removes its images and layers too."""
        with self._stages.stage("taking the cluster away"), alone("cluster"):
            self._remove()
        if purge:
            with self._stages.stage("removing images and layers"):
                for cache in self._caches:
                    shutil.rmtree(cache, ignore_errors=True)

    def _remove(self) -> None:
        self._node.stop()
        self.control_plane.stop()
        objectstore.stop(self.processes)
        for name in self.processes.names():
            self.processes.stop(name)
        leftovers.unmount_below(self._layers)
        leftovers.unmount_below(self._content)
        network.delete()
        self._clear()

    def _clear(self) -> None:
        # The logs stay, for whoever wants to know what happened; the next cluster clears them.
        for entry in self.folder.iterdir() if self.folder.exists() else ():
            if entry.is_dir() and entry.name != "log":
                shutil.rmtree(entry)
            elif entry.is_file():
                entry.unlink()

    def status(self) -> dict[str, str]:
        """Each program and what it is: its pid, or that it is not running."""
        found = {name: self.processes.find(name) for name in PROGRAMS}
        return {name: f"pid {one.pid}" if one else "not running" for name, one in found.items()}
