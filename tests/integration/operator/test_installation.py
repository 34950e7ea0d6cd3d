"""What is installed: as few rights as the operator needs, and pods that a strict cluster takes."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from e2e.localcluster.controlplane import ControlPlane
from tests.builders import ResourceBuilder, a_resource
from tests.golden.test_jobs import EVERYTHING
from tests.integration.operator.installed import CHARTS, SYSTEM, Team
from tests.world import World

pytestmark = pytest.mark.apiserver

Document = dict[str, Any]

VERBS = {
    ("lathe.dev", "modeloptimizations"): {"list", "watch", "patch", "delete"},
    ("lathe.dev", "optimizationprofiles"): {"list", "watch"},
    ("lathe.dev", "clusteroptimizationprofiles"): {"list", "watch"},
    ("lathe.dev", "modeloptimizations/status"): {"patch"},
    ("batch", "jobs"): {"get", "list", "watch", "create", "patch", "delete"},
    ("", "pods"): {"list", "watch", "create"},
    ("kueue.x-k8s.io", "workloads"): {"list", "watch"},
    ("events.k8s.io", "events"): {"create"},
    ("coordination.k8s.io", "leases"): {"get", "create", "update"},
}
"""Every verb is used: see the doors of `lathe_operator.cluster` and kopf's lists and watches."""


def rendered(control_plane: ControlPlane, name: str) -> list[Document]:
    return list(yaml.safe_load_all(control_plane.kubectl("kustomize", str(CHARTS / name))))


def granted(documents: list[Document], name: str) -> Iterator[tuple[str, str, str]]:
    for document in documents:
        if document["kind"] in ("Role", "ClusterRole") and document["metadata"]["name"] == name:
            for rule in document["rules"]:
                for group in rule["apiGroups"]:
                    for resource in rule["resources"]:
                        yield from ((group, resource, verb) for verb in rule["verbs"])


def test_the_operator_has_the_rights_that_it_uses_and_no_other(installed: ControlPlane) -> None:
    used = {(*what, verb) for what, verbs in VERBS.items() for verb in verbs}

    assert set(granted(rendered(installed, "base"), "lathe-operator")) == used


def test_a_worker_has_one_right(installed: ControlPlane) -> None:
    rights = list(granted(rendered(installed, "worker"), "lathe-worker"))

    assert rights == [("lathe.dev", "modeloptimizations/status", "patch")]


def test_the_operators_pod_is_restricted(installed: ControlPlane) -> None:
    (deployment,) = [d for d in rendered(installed, "base") if d["kind"] == "Deployment"]
    pod = {"apiVersion": "v1", "kind": "Pod", **deployment["spec"]["template"]}
    pod["metadata"] = {**pod["metadata"], "name": "operator"}

    admitted(installed, SYSTEM, pod)

    (container,) = pod["spec"]["containers"]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True


RESOURCES: dict[str, ResourceBuilder] = {
    "a resource that asks for nothing special": a_resource(),
    "a resource that asks for everything": EVERYTHING,
}


@pytest.mark.parametrize("resource", RESOURCES.values(), ids=RESOURCES)
def test_a_workers_pod_is_restricted(team: Team, resource: ResourceBuilder) -> None:
    label = "pod-security.kubernetes.io/enforce=restricted"
    team.control_plane.kubectl("label", "namespace", team.namespace, label)
    world = World(resource)
    asyncio.run(world.settle())
    template = world.job["spec"]["template"]
    for unknown in ("serviceAccountName", "runtimeClassName", "priorityClassName"):
        template["spec"].pop(unknown, None)  # objects that this cluster does not have
    pod = {"apiVersion": "v1", "kind": "Pod", **template}
    pod["metadata"] = {**pod["metadata"], "name": "worker"}

    admitted(team.control_plane, team.namespace, pod)


def admitted(control_plane: ControlPlane, namespace: str, pod: Document) -> None:
    """The server takes the pod; nothing is created."""
    arguments = ("create", "--dry-run=server", "-n", namespace, "-f", "-")
    control_plane.kubectl(*arguments, stdin=yaml.safe_dump(pod))
