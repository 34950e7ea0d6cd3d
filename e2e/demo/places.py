"""Where the demo runs: a cluster that is given, kind, or one made on this machine."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from e2e.demo import s3_pod
from e2e.demo.kubectl import Kubectl
from e2e.demo.publisher import ImageNames, Publisher
from e2e.demo.s3_pod import Storage
from e2e.localcluster.binaries import binaries
from e2e.localcluster.cache import cache_root
from e2e.localcluster.cluster import Cluster
from e2e.localcluster.processes import StartError, run
from e2e.localcluster.stages import Stages

KIND_CLUSTER = "lathe-demo"


class Place(Protocol):
    """A cluster, with a way to bring images and data into it."""

    def start(self) -> Kubectl:
        """Make sure that the cluster is there."""

    def images(self) -> ImageNames:
        """Make sure that it can run the images of this checkout."""

    def storage(self, kubectl: Kubectl) -> AbstractContextManager[Storage]:
        """Make sure that it has an S3 server, which this process reaches within the context."""

    def stop(self) -> None:
        """Take away what `start` made."""


def choose(stages: Stages, environ: Mapping[str, str]) -> Place:
    """$KUBECONFIG if it is set, else kind if it is there, else a cluster on this machine."""
    if kubeconfig := environ.get("KUBECONFIG"):
        return Given(Path(kubeconfig), environ.get("LATHE_REGISTRY", ""), stages)
    if shutil.which("kind"):
        return Kind(stages)
    return Local(stages)


def _kubectl() -> str:
    """The machine's kubectl, else one that is built."""
    return shutil.which("kubectl") or str(binaries(["kubectl"])["kubectl"])


class Local:
    """A cluster of the demo's own on this machine."""

    def __init__(self, stages: Stages) -> None:
        self._cluster = Cluster(stages)

    def start(self) -> Kubectl:
        """Start what does not run."""
        self._cluster.up()
        program = binaries(["kubectl"])["kubectl"]
        return Kubectl(str(program), self._cluster.control_plane.kubeconfig)

    def images(self) -> ImageNames:
        """Build them into the cluster's registry."""
        made = self._cluster.images
        return ImageNames(operator=made.operator(), worker=made.worker())

    @contextmanager
    def storage(self, kubectl: Kubectl) -> Iterator[Storage]:  # noqa: ARG002 - the port's
        """The S3 server beside the cluster."""
        store = self._cluster.object_store
        yield Storage(store.endpoint, store.endpoint, store.access_key, store.secret_key)

    def stop(self) -> None:
        """Take the cluster away; binaries, images and layers stay."""
        self._cluster.down()


@dataclass(frozen=True)
class Given:
    """A cluster that somebody else runs; its nodes pull from a registry that is named."""

    kubeconfig: Path
    registry: str
    stages: Stages

    def start(self) -> Kubectl:
        """Look whether it answers."""
        if not self.registry:
            raise StartError(
                "$KUBECONFIG is set: set $LATHE_REGISTRY too, to a registry that you may push to "
                "and its nodes pull from (or unset KUBECONFIG for a cluster on this machine)"
            )
        kubectl = Kubectl(_kubectl(), self.kubeconfig)
        kubectl("version", "--output=json")
        return kubectl

    def images(self) -> ImageNames:
        """Build them and push them to the registry."""
        return Publisher(self.registry, self.stages.note).publish()

    def storage(self, kubectl: Kubectl) -> AbstractContextManager[Storage]:
        """An S3 server in a pod."""
        image = Publisher(self.registry, self.stages.note).s3()
        return s3_pod.running(kubectl, image)

    def stop(self) -> None:
        """Leave it as it is."""


@dataclass(frozen=True)
class Kind:
    """A cluster in containers, by kind and docker."""

    stages: Stages

    def start(self) -> Kubectl:
        """Create the cluster, unless there is one of the demo's name."""
        kubeconfig = cache_root() / "kind.kubeconfig"
        if KIND_CLUSTER not in run("kind", "get", "clusters").split():
            run("kind", "create", "cluster", f"--name={KIND_CLUSTER}", "--wait=120s")
        run("kind", "export", "kubeconfig", f"--name={KIND_CLUSTER}", f"--kubeconfig={kubeconfig}")
        return Kubectl(_kubectl(), kubeconfig)

    def images(self) -> ImageNames:
        """Build them with docker and load them into the node."""
        publisher = Publisher("", self.stages.note)
        names = publisher.publish()
        self._load(names.operator, names.worker)
        return names

    def storage(self, kubectl: Kubectl) -> AbstractContextManager[Storage]:
        """An S3 server in a pod."""
        image = Publisher("", self.stages.note).s3()
        self._load(image)
        return s3_pod.running(kubectl, image)

    def stop(self) -> None:
        """Delete the cluster."""
        run("kind", "delete", "cluster", f"--name={KIND_CLUSTER}")

    @staticmethod
    def _load(*images: str) -> None:
        run("kind", "load", "docker-image", f"--name={KIND_CLUSTER}", *images)


def from_environment(stages: Stages) -> Place:
    """Choose by this process's environment."""
    return choose(stages, os.environ)  # noqa: TID251 - the demo's only look at it
