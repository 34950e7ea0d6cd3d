"""What the stories share: the local cluster with Lathe in it, and a team of one's own."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.demo import data, install
from e2e.demo.kubectl import Kubectl
from e2e.demo.publisher import ImageNames
from e2e.demo.s3_pod import Storage
from e2e.localcluster.binaries import binaries
from e2e.localcluster.cluster import Cluster
from e2e.localcluster.controlplane import ControlPlane
from e2e.localcluster.images import REPOSITORY
from e2e.localcluster.kueue import Kueue
from e2e.localcluster.stages import Stages
from e2e.story import Team, a_name
from lathe_worker.store import Store


@pytest.fixture(scope="session")
def cluster(pytestconfig: pytest.Config) -> Cluster:
    """The local cluster; it is left running, for the next run to find."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        running = Cluster(Stages())
        running.up()
    return running


@pytest.fixture
def restricted_namespace(cluster: Cluster) -> str:
    """A new namespace that admits only pods of the Pod Security Standard `restricted`."""
    return new_namespace(cluster.control_plane)


def new_namespace(control_plane: ControlPlane) -> str:
    name = f"story-{uuid.uuid4().hex[:8]}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    metadata = {"name": name, "labels": labels}
    control_plane.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    return name


@pytest.fixture(scope="session")
def lathe(
    cluster: Cluster, pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory
) -> Kubectl:
    """The cluster with Lathe of this checkout installed, as the README says."""
    kubectl = Kubectl(str(binaries(["kubectl"])["kubectl"]), cluster.control_plane.kubeconfig)
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        stages = Stages()
        with stages.stage("images of operator and worker"):
            images = ImageNames(cluster.images.operator(), cluster.images.worker())
        with stages.stage("CRD and operator"):
            install.operator(kubectl, images, tmp_path_factory.mktemp("overlay"))
    return kubectl


@pytest.fixture(scope="session")
def storage(cluster: Cluster) -> Storage:
    """The S3 server with the quickstart's model and data in it."""
    server = cluster.object_store
    storage = Storage(server.endpoint, server.endpoint, server.access_key, server.secret_key)
    data.upload(data.make(REPOSITORY / "out" / "storage"), storage)
    return storage


@pytest.fixture(scope="session")
def store(storage: Storage) -> Iterator[Store]:
    """The same server, to look into and to put things there."""
    with data.opened(storage) as opened:
        yield opened


@pytest.fixture
def team(cluster: Cluster, lathe: Kubectl, storage: Storage, store: Store) -> Team:
    """A team with a namespace of its own, credentials in it, and nothing else."""
    namespace = a_name()
    install.team(lathe, namespace, access_key=storage.access_key, secret_key=storage.secret_key)
    return Team(namespace, cluster, lathe, store)


@pytest.fixture(scope="session")
def kueue(cluster: Cluster, lathe: Kubectl, pytestconfig: pytest.Config) -> Kueue:
    """Kueue in the cluster, and an operator that knows of it; it stays there with the cluster."""
    found = Kueue(cluster.control_plane)
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        if not found.runs:
            stages = Stages()
            with stages.stage("Kueue"):
                found.start()
            with stages.stage("an operator that knows of it"):
                install.restart_operator(lathe)
    return found


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """A folder for files that a story makes."""
    return tmp_path
