"""What may keep a namespace from taking a worker's pod, and the words that users read of it."""

from collections.abc import Callable
from typing import Any

from e2e.localcluster.controlplane import KubectlError
from e2e.localcluster.processes import wait_until
from tests.integration.operator.installed import Team

Document = dict[str, Any]

NO_GPUS = {"hard": {"requests.nvidia.com/gpu": "0"}}
LITTLE = {"limits": [{"type": "Container", "max": {"nvidia.com/gpu": "0"}}]}


def forbid_pods(team: Team) -> None:
    """Refuse all pods of a namespace, as a webhook of the cluster's administrator does."""
    name = f"no-pods-in-{team.namespace}"
    api = "admissionregistration.k8s.io/v1"
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"]}
    named = {"matchLabels": {"kubernetes.io/metadata.name": team.namespace}}
    team.control_plane.apply(
        {
            "apiVersion": api,
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": name},
            "spec": {
                "matchConstraints": {"resourceRules": [{**rule, "resources": ["pods"]}]},
                "validations": [{"expression": "false", "message": "ask the platform team first"}],
            },
        }
    )
    team.control_plane.apply(
        {
            "apiVersion": api,
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name},
            "spec": {
                "policyName": name,
                "validationActions": ["Deny"],
                "matchResources": {"namespaceSelector": named},
            },
        }
    )

    pod = ("run", "trial", "--image=none.invalid/none", "--dry-run=server")

    def holds() -> bool:
        try:
            team.kubectl(*pod)
        except KubectlError as refused:
            return "ask the platform team first" in str(refused)
        return False

    wait_until(holds, "the policy to hold", seconds=30.0, every=0.2)


def quota(team: Team) -> None:
    apply_to(team, "ResourceQuota", NO_GPUS)
    wait_until(
        lambda: "hard" in (team.get("quota", "limits").get("status") or {}),
        "the quota to hold",
        seconds=20.0,
    )


def apply_to(team: Team, kind: str, spec: Document) -> None:
    """Apply an object called limits to the team's namespace."""
    metadata = {"name": "limits", "namespace": team.namespace}
    team.control_plane.apply({"apiVersion": "v1", "kind": kind, "metadata": metadata, "spec": spec})


REFUSALS: dict[str, tuple[Callable[[Team], None], str]] = {
    "a quota": (quota, "exceeded quota: limits"),
    "a limit range": (
        lambda team: apply_to(team, "LimitRange", LITTLE),
        "maximum nvidia.com/gpu usage per Container is 0",
    ),
    "the administrator's policy": (forbid_pods, "ask the platform team first"),
}
