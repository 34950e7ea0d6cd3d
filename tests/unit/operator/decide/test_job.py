"""The Job of a run: what a worker is given, and what nobody can make it take."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lathe_api.plan import Plan
from lathe_operator.decide import job
from lathe_operator.values import Policy
from tests.builders import a_resource, target
from tests.staged_world import StagedWorld, made
from tests.world import POLICY, World

Document = dict[str, Any]


async def job_of(policy: Policy = POLICY, **fields: Any) -> Document:
    world = World(a_resource().with_(**fields), policy)
    await world.settle()
    return world.job


async def pod_of(policy: Policy = POLICY, **fields: Any) -> Document:
    made = await job_of(policy, **fields)
    spec: Document = made["spec"]["template"]["spec"]
    return spec


async def container_of(policy: Policy = POLICY, **fields: Any) -> Document:
    pod = await pod_of(policy, **fields)
    (container,) = pod["containers"]
    found: Document = container
    return found


async def environment_of(policy: Policy = POLICY, **fields: Any) -> dict[str, str]:
    container = await container_of(policy, **fields)
    return {variable["name"]: variable["value"] for variable in container["env"]}


async def test_a_disruption_is_ignored_before_an_exit_code_is_looked_at() -> None:
    rules = (await job_of())["spec"]["podFailurePolicy"]["rules"]

    assert [rule["action"] for rule in rules] == ["Ignore", "FailJob"]
    assert rules[0]["onPodConditions"] == [{"type": "DisruptionTarget", "status": "True"}]
    assert rules[1]["onExitCodes"]["values"] == [10, 20, 30]


async def test_the_pod_carries_the_plan_that_the_worker_can_read() -> None:
    template = (await job_of())["spec"]["template"]

    plan = Plan.model_validate_json(template["metadata"]["annotations"]["lathe.dev/plan"])

    assert (plan.namespace, plan.name, plan.targets[0].name) == ("team", "digits", "onnx")


async def test_the_jobs_own_limit_is_for_an_operator_that_is_down() -> None:
    run = {"pendingDeadlineSeconds": 100, "activeDeadlineSeconds": 10}

    assert (await job_of(run=run))["spec"]["activeDeadlineSeconds"] == 110


async def test_the_pod_is_restricted_whatever_is_asked_for() -> None:
    pod = await pod_of()
    (container,) = pod["containers"]

    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


GPUS: dict[str, tuple[Document, Document]] = {
    "nothing: one GPU": ({"limits": {"nvidia.com/gpu": "1"}}, {}),
    "memory: one GPU besides": (
        {"limits": {"memory": "32Gi", "nvidia.com/gpu": "1"}},
        {"limits": {"memory": "32Gi"}},
    ),
    "two GPUs: two": ({"limits": {"nvidia.com/gpu": "2"}}, {"limits": {"nvidia.com/gpu": 2}}),
    "no GPU: none": ({}, {"limits": {"nvidia.com/gpu": 0}}),
    "a slice of a GPU: that slice": (
        {"limits": {"nvidia.com/mig-1g.5gb": "1"}},
        {"limits": {"nvidia.com/mig-1g.5gb": 1}},
    ),
    "a GPU of another make: that one": (
        {"limits": {"amd.com/gpu": "1"}},
        {"limits": {"amd.com/gpu": 1}},
    ),
}


@pytest.mark.parametrize(("expected", "asked"), GPUS.values(), ids=GPUS)
async def test_gpus(expected: Document, asked: Document) -> None:
    assert (await container_of(worker={"resources": asked}))["resources"] == expected


async def test_the_workspace_is_bounded_and_the_worker_knows_its_size() -> None:
    worker = {"workspace": {"size": "50Gi"}}
    volumes = {volume["name"]: volume for volume in (await pod_of(worker=worker))["volumes"]}

    assert volumes["workspace"]["emptyDir"] == {"sizeLimit": "50Gi"}
    assert (await environment_of(worker=worker))["LATHE_WORKSPACE_SIZE"] == str(50 * 1024**3)


async def test_a_class_makes_the_workspace_a_volume_of_its_own() -> None:
    worker = {"workspace": {"size": "50Gi", "storageClassName": "nvme"}}
    volumes = {volume["name"]: volume for volume in (await pod_of(worker=worker))["volumes"]}

    claim = volumes["workspace"]["ephemeral"]["volumeClaimTemplate"]["spec"]
    assert claim["storageClassName"] == "nvme"
    assert claim["resources"] == {"requests": {"storage": "50Gi"}}


async def test_keys_reach_the_pod_through_the_kubelet_alone() -> None:
    storage = {"s3": {"credentials": {"secretRef": {"name": "s3-creds"}}}}
    container = await container_of(storage=storage)

    assert container["envFrom"] == [{"prefix": "LATHE_S3_", "secretRef": {"name": "s3-creds"}}]


@pytest.mark.parametrize("credentials", [{"anonymous": {}}, {"serviceAccount": {}}])
async def test_without_a_secret_no_secret_is_named(credentials: Document) -> None:
    container = await container_of(storage={"s3": {"credentials": credentials}})

    assert "envFrom" not in container


async def test_a_bundle_of_authorities_lies_where_the_worker_is_told() -> None:
    storage = {"s3": {"ca": {"configMapRef": {"name": "corp-ca", "key": "bundle.pem"}}}}
    pod = await pod_of(storage=storage)
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    mounts = {mount["name"]: mount for mount in pod["containers"][0]["volumeMounts"]}

    assert volumes["ca"]["configMap"]["items"] == [{"key": "bundle.pem", "path": "ca.crt"}]
    assert (await environment_of(storage=storage))["LATHE_CA_BUNDLE"] == (
        f"{mounts['ca']['mountPath']}/ca.crt"
    )


async def test_a_queues_priority_is_a_label_and_ours_is_the_pods() -> None:
    queued = await job_of(scheduling={"queueName": "team-a", "priorityClassName": "low"})
    alone = await job_of(scheduling={"priorityClassName": "low"})

    assert queued["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "team-a"
    assert queued["metadata"]["labels"]["kueue.x-k8s.io/priority-class"] == "low"
    assert "priorityClassName" not in queued["spec"]["template"]["spec"]
    assert alone["spec"]["template"]["spec"]["priorityClassName"] == "low"
    assert alone["spec"]["suspend"] is False


ACCOUNTS = {
    "nobody names one": (None, None, None),
    "the administrator names one": ("lathe-worker", "lathe-worker", None),
    "the user names another": ("trusted", "lathe-worker", "trusted"),
}


@pytest.mark.parametrize(("expected", "policy", "asked"), ACCOUNTS.values(), ids=ACCOUNTS)
async def test_service_accounts(
    expected: str | None, policy: str | None, asked: str | None
) -> None:
    worker = {"serviceAccountName": asked} if asked else {}
    pod = await pod_of(Policy("worker:1", worker_service_account=policy), worker=worker)

    assert pod.get("serviceAccountName") == expected


A100 = "NVIDIA-A100-SXM4-80GB"
SLICE = {"mode": "MIG", "profile": "3g.40gb"}
WHERE: dict[str, tuple[Document, Document, Document]] = {
    "a GPU by its name": (
        {"nvidia.com/gpu.product": A100},
        {"nvidia.com/gpu": "1"},
        {"product": A100},
    ),
    "a GPU by what it can do": (
        {"nvidia.com/gpu.compute.major": "8", "nvidia.com/gpu.compute.minor": "9"},
        {"nvidia.com/gpu": "1"},
        {"computeCapability": "8.9"},
    ),
    "a slice of a GPU": (
        {"nvidia.com/gpu.product": A100},
        {"nvidia.com/mig-3g.40gb": "1"},
        {"product": A100, "partition": SLICE},
    ),
}


@pytest.mark.parametrize(("selector", "limits", "gpu"), WHERE.values(), ids=WHERE)
async def test_hardware_becomes_labels_of_nodes_and_a_device(
    selector: Document, limits: Document, gpu: Document
) -> None:
    pod = await pod_of(targets=[target("engine", "TensorRT", gpu=gpu)])

    assert pod["nodeSelector"] == selector
    assert pod["containers"][0]["resources"] == {"limits": limits}


OWN: dict[str, tuple[Document, Document]] = {
    "one GPU, whatever compressing needs": (
        {"limits": {"nvidia.com/gpu": "1", "memory": "8Gi"}},
        {"nvidia.com/gpu": 0, "memory": "8Gi"},
    ),
    "as many GPUs as the user says": (
        {"limits": {"nvidia.com/gpu": "2"}},
        {"nvidia.com/gpu": 2},
    ),
}


@pytest.mark.parametrize(("resources", "limits"), OWN.values(), ids=OWN)
async def test_a_stage_for_a_gpu_has(resources: Document, limits: Document) -> None:
    targets = [target(name, "TensorRT", gpu={"product": name}) for name in ("l4", "t4")]
    world = StagedWorld(
        a_resource().targets(*targets).with_(worker={"resources": {"limits": limits}})
    )
    await world.settle()
    world.finish("compress", message=made())
    await world.settle()

    (container,) = world.stage("build1")["spec"]["template"]["spec"]["containers"]
    assert container["resources"] == resources


async def test_a_target_for_one_gpu_selects_its_nodes() -> None:
    pod = await pod_of(
        targets=[target("l4", "TensorRT", gpu={"product": "NVIDIA-L4"})],
        worker={"nodeSelector": {"zone": "a"}},
    )

    assert pod["nodeSelector"] == {"zone": "a", "nvidia.com/gpu.product": "NVIDIA-L4"}


async def test_the_resources_own_labels_are_not_copied() -> None:
    world = World()
    world.annotate(**{"argocd.argoproj.io/tracking-id": "x"})
    await world.settle()

    assert set(world.job["metadata"]["labels"]) == {
        "lathe.dev/managed",
        "lathe.dev/resource",
        "lathe.dev/work",
    }
    assert set(world.job["metadata"]["annotations"]) == {"lathe.dev/generation"}


QUANTITIES = {
    "bytes": (1024, "1024"),
    "binary": (4 * 1024**3, "4Gi"),
    "decimal": (4 * 1000**3, "4G"),
    "a fraction": (1536, "1.5Ki"),
    "less than a byte": (1, "1m"),
}


@pytest.mark.parametrize(("size", "quantity"), QUANTITIES.values(), ids=QUANTITIES)
def test_quantities_are_bytes(size: int, quantity: str) -> None:
    assert job.size_in_bytes(quantity) == size


@given(st.integers(1, 10**6), st.sampled_from(["", "k", "M", "G", "Ki", "Mi", "Gi", "Ti"]))
def test_a_larger_quantity_is_more_bytes(number: int, unit: str) -> None:
    smaller, larger = (job.size_in_bytes(f"{n}{unit}") for n in (number, number + 1))

    assert smaller < larger
