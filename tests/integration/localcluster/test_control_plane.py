"""A control plane of one's own is a real one: it answers, it denies, and it keeps a record."""

import json

import pytest

from e2e.localcluster.controlplane import ControlPlane, KubectlError

pytestmark = pytest.mark.apiserver


def config_map(namespace: str, name: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
    }


def test_the_server_says_that_it_is_the_version_which_was_built(
    control_plane: ControlPlane,
) -> None:
    version = json.loads(control_plane.kubectl("version", "--output=json"))

    assert version["serverVersion"]["gitVersion"] == "v1.34.4"
    assert version["serverVersion"]["minor"] == "34"
    assert version["clientVersion"]["gitVersion"] == "v1.34.4"


def test_the_administrator_may_write_and_an_ordinary_user_may_not_even_look(
    control_plane: ControlPlane, namespace: str
) -> None:
    control_plane.apply(config_map(namespace, "mine"))

    assert "mine" in control_plane.kubectl("get", "configmaps", "-n", namespace, "-o", "name")
    with pytest.raises(KubectlError) as denied:
        control_plane.kubectl("get", "configmaps", "-n", namespace, user="alice")
    assert "Forbidden" in denied.value.stderr


def test_the_audit_log_tells_who_wrote_what_and_who_was_refused(
    control_plane: ControlPlane, namespace: str
) -> None:
    control_plane.apply(config_map(namespace, "told"))
    with pytest.raises(KubectlError):
        control_plane.kubectl("delete", "configmap", "told", "-n", namespace, user="bob")

    writes = [
        (event.user, event.verb, event.name, event.code)
        for event in control_plane.audit_events()
        if event.is_write and event.namespace == namespace and event.resource == "configmaps"
    ]
    assert writes == [("admin", "create", "told", 201), ("bob", "delete", "told", 403)]


def test_a_service_account_gets_a_token_that_the_server_believes(
    control_plane: ControlPlane, namespace: str
) -> None:
    control_plane.kubectl("create", "serviceaccount", "worker", "-n", namespace)
    token = control_plane.kubectl("create", "token", "worker", "-n", namespace).strip()

    told = control_plane.kubectl("auth", "whoami", "-o", "json", f"--token={token}")
    assert json.loads(told)["status"]["userInfo"]["username"] == (
        f"system:serviceaccount:{namespace}:worker"
    )


def test_what_was_stored_outlives_a_restart_of_the_server(
    control_plane: ControlPlane, namespace: str
) -> None:
    control_plane.apply(config_map(namespace, "kept"))

    control_plane.restart_apiserver()

    assert "kept" in control_plane.kubectl("get", "configmaps", "-n", namespace, "-o", "name")


def test_with_controllers_a_job_gets_its_pod_and_nothing_is_left_behind() -> None:
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "one", "namespace": "default"},
        "spec": {
            "template": {
                "spec": {
                    "restartPolicy": "Never",
                    "containers": [{"name": "main", "image": "none.invalid/none"}],
                }
            }
        },
    }
    with ControlPlane(controllers=True) as own:
        own.apply(job)
        own.kubectl("wait", "job/one", "--for=jsonpath={.status.active}=1", "--timeout=30s")
        running = own.processes.names()

    assert running == ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"]
    assert not own.folder.exists()
    assert all(own.processes.find(name) is None for name in running)
