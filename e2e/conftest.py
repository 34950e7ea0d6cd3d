"""What the stories share: the local cluster, which is started when it does not run."""

import uuid

import pytest

from e2e.localcluster.cluster import Cluster
from e2e.localcluster.controlplane import ControlPlane
from e2e.localcluster.stages import Stages


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
