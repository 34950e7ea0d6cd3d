"""What integration tests share: real servers, started once for the session."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.localcluster.binaries import API_PROGRAMS, binaries
from e2e.localcluster.controlplane import ControlPlane, KubectlError
from e2e.localcluster.processes import wait_until

CRDS = Path(__file__).parents[2] / "crds"


@pytest.fixture(scope="session")
def control_plane(pytestconfig: pytest.Config) -> Iterator[ControlPlane]:
    """A real etcd and kube-apiserver; their first build takes some 6 minutes on 2 cores.

    Tests share it: each takes a namespace of its own. There are no controllers in it (nothing
    runs Jobs, makes default ServiceAccounts or empties deleted namespaces), so a test plays them
    or starts a ControlPlane(controllers=True) of its own.
    """
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        binaries(API_PROGRAMS)
    with ControlPlane() as running:
        yield running


def serve(control_plane: ControlPlane) -> None:
    """Have ModelOptimization served, under all of its names."""
    control_plane.kubectl("apply", "-f", str(CRDS))

    def explained() -> bool:
        try:
            return "ModelOptimization" in control_plane.kubectl("explain", "mo.spec")
        except KubectlError:
            return False

    # Discovery and OpenAPI follow the definition a moment later, each in its own time.
    wait_until(explained, "lathe.dev in the server's discovery and OpenAPI", seconds=60.0)


@pytest.fixture(scope="session")
def server(control_plane: ControlPlane) -> ControlPlane:
    """The control plane, serving ModelOptimization."""
    serve(control_plane)
    return control_plane


@pytest.fixture
def namespace(control_plane: ControlPlane) -> str:
    """The name of a new, empty namespace for one test."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    control_plane.kubectl("create", "namespace", name)
    return name
