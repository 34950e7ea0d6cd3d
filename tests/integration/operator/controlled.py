"""What a kubelet says, where everything else is real: controllers, scheduler, garbage collector."""

from typing import Any

from e2e.localcluster.controlplane import ControlPlane
from e2e.localcluster.processes import wait_until
from tests import kubelet
from tests.integration.operator.installed import Team, now

GPU_PRODUCT = "NVIDIA-L4"


def breathe(control_plane: ControlPlane) -> None:
    """Say what a kubelet says of its node every few seconds."""
    labels = {"nvidia.com/gpu.product": GPU_PRODUCT}
    metadata = {"name": "node", "labels": labels}
    node: dict[str, Any] = {"apiVersion": "v1", "kind": "Node", "metadata": metadata}
    control_plane.apply(node)
    amounts = {"cpu": "64", "memory": "256Gi", "pods": "110", "nvidia.com/gpu": "8"}
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "lastHeartbeatTime": now(),
        "lastTransitionTime": now(),
    }
    status = {"capacity": amounts, "allocatable": amounts, "conditions": [ready]}
    Team(control_plane, "default").write_status("node", "node", status)


class Pods:
    """The pods that the Job controller makes of a team's Job."""

    def __init__(self, team: Team) -> None:
        self._team = team
        self._known: set[str] = set()

    def next(self, seconds: float = 60.0) -> str:
        """Wait for a pod that was not there before, and for its node."""
        found: list[str] = []

        def bound() -> bool:
            found[:] = [
                pod["metadata"]["name"]
                for pod in self._team.get("pods")["items"]
                if pod["metadata"]["name"] not in self._known and pod["spec"].get("nodeName")
            ]
            return bool(found)

        wait_until(bound, "another pod on its node", seconds=seconds, every=0.2)
        self._known.add(found[0])
        return found[0]

    def run(self) -> str:
        """Wait for the next pod, and let it run."""
        pod = self.next()
        self._team.write_status("pod", pod, kubelet.running(now()))
        return pod

    def end(self, pod: str, exit_code: int, message: str) -> None:
        """End a pod's worker."""
        self._team.write_status("pod", pod, kubelet.ended(exit_code, message, finished=now()))

    def take_away(self, pod: str) -> None:
        """Let a pod that is being deleted be gone, as a kubelet does when its worker has ended."""
        self._team.kubectl("delete", "pod", pod, "--force", "--grace-period=0")
