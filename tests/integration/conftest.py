"""What integration tests share: real servers, started once for the session."""

import uuid
from collections.abc import Iterator

import pytest

from e2e.localcluster.binaries import API_PROGRAMS, binaries
from e2e.localcluster.controlplane import ControlPlane


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


@pytest.fixture
def namespace(control_plane: ControlPlane) -> str:
    """The name of a new, empty namespace for one test."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    control_plane.kubectl("create", "namespace", name)
    return name
