"""The Job of a run, whole."""

import json
from typing import Any

import pytest

from lathe_operator.values import Policy
from tests.builders import PRUNE, QUANTIZE, ResourceBuilder, a_resource, target
from tests.golden_files import Golden, as_yaml, without_digests
from tests.staged_world import StagedWorld
from tests.world import POLICY, World

EVERYTHING = (
    a_resource()
    .steps(PRUNE)
    .targets(
        target("cpu", "ONNXRuntime", QUANTIZE),
        target("l4", "TensorRT", gpu={"product": "NVIDIA-L4"}),
    )
    .with_(
        storage={
            "s3": {
                "endpoint": "https://minio.corp:9000",
                "addressingStyle": "Path",
                "credentials": {"secretRef": {"name": "s3-creds"}},
                "ca": {"configMapRef": {"name": "corp-ca", "key": "bundle.pem"}},
            }
        },
        run={"backoffLimit": 1, "activeDeadlineSeconds": 3600, "pendingDeadlineSeconds": 600},
        scheduling={"queueName": "team-a", "priorityClassName": "batch-low"},
        worker={
            "image": "registry.corp/lathe/worker:2",
            "imagePullSecrets": [{"name": "registry"}],
            "serviceAccountName": "trusted",
            "resources": {
                "limits": {"nvidia.com/gpu": 2, "memory": "32Gi"},
                "requests": {"cpu": 4},
            },
            "workspace": {"size": "50Gi", "storageClassName": "nvme"},
            "nodeSelector": {"zone": "a"},
            "tolerations": [
                {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
            ],
            "affinity": {"nodeAffinity": {}},
            "runtimeClassName": "nvidia",
            "env": [{"name": "OMP_NUM_THREADS", "value": "4"}],
            "labels": {"team": "vision"},
            "annotations": {"corp.example/cost": "42"},
        },
    )
)

JOBS: dict[str, tuple[ResourceBuilder, Policy]] = {
    "job-plain": (a_resource(), POLICY),
    "job-with-everything": (
        EVERYTHING,
        Policy("unused", worker_service_account="unused", allow_state_dict=True),
    ),
}


SLICE = {"mode": "MIG", "profile": "3g.40gb"}
STAGED = a_resource().targets(
    target("cpu", "ONNXRuntime", cpu={"isa": ["avx2", "avx512_vnni"]}),
    target("a100", "TensorRT", gpu={"product": "NVIDIA-A100-SXM4-80GB", "partition": SLICE}),
)


async def test_the_job_of_a_stage(golden: Golden) -> None:
    world = StagedWorld(STAGED)
    await world.compressed()

    for stage in ("compress", "build1", "build2"):
        job = readable(world.stage(stage))
        annotations = job["spec"]["template"]["metadata"]["annotations"]
        annotations["lathe.dev/plan"] = annotations["lathe.dev/plan"]["targets"]
        golden(f"job-{stage}.yaml", without_digests(as_yaml(job)))


@pytest.mark.parametrize("name", JOBS)
async def test_a_job(name: str, golden: Golden) -> None:
    resource, policy = JOBS[name]
    world = World(resource, policy)
    await world.settle()

    golden(f"{name}.yaml", without_digests(as_yaml(readable(world.job))))


def readable(job: dict[str, Any]) -> dict[str, Any]:
    """A Job as it was sent, with its plan as a document."""
    metadata = {
        key: value
        for key, value in job["metadata"].items()
        if key not in ("uid", "resourceVersion", "creationTimestamp")
    }
    annotations = job["spec"]["template"]["metadata"]["annotations"]
    annotations["lathe.dev/plan"] = json.loads(annotations["lathe.dev/plan"])
    return {**job, "metadata": metadata}
