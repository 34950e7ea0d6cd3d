"""The local cluster does what any cluster does, as far as the other stories lean on it."""

import json
from collections.abc import Mapping

import pytest

from e2e.localcluster.cluster import Cluster
from e2e.localcluster.controlplane import KubectlError
from e2e.localcluster.node import GPU, NAME, PRODUCT_LABEL

RESTRICTED_POD = {
    "runAsNonRoot": True,
    "runAsUser": 10_001,
    "seccompProfile": {"type": "RuntimeDefault"},
}
RESTRICTED_CONTAINER = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}


def python_job(
    image: str, script: str, *, gpus: int = 0, environment: Mapping[str, str] | None = None
) -> dict[str, object]:
    container = {
        "name": "main",
        "image": image,
        "command": ["python", "-c", script],
        "env": [{"name": key, "value": value} for key, value in (environment or {}).items()],
        "securityContext": RESTRICTED_CONTAINER,
        "volumeMounts": [{"name": "scratch", "mountPath": "/tmp"}],  # noqa: S108 - in a pod
        "resources": {"limits": {GPU: gpus}} if gpus else {},
    }
    pod = {
        "restartPolicy": "Never",
        "securityContext": RESTRICTED_POD,
        "containers": [container],
        "volumes": [{"name": "scratch", "emptyDir": {"sizeLimit": "64Mi"}}],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "job"},
        "spec": {"backoffLimit": 0, "template": {"spec": pod}},
    }


def run_to_completion(cluster: Cluster, namespace: str, job: Mapping[str, object]) -> str:
    """The logs of the job's pod."""
    kubectl = cluster.control_plane.kubectl
    kubectl("apply", "-n", namespace, "-f", "-", stdin=json.dumps(job))
    kubectl("wait", "-n", namespace, "job/job", "--for=condition=Complete", "--timeout=300s")
    return kubectl("logs", "-n", namespace, "job/job")


def test_a_restricted_pod_pulls_the_operator_image_and_its_log_comes_back(
    cluster: Cluster, restricted_namespace: str
) -> None:
    script = "import kopf, os; print(os.getuid(), kopf.__name__)"

    log = run_to_completion(
        cluster, restricted_namespace, python_job(cluster.images.operator(), script)
    )

    assert log.split() == ["10001", "kopf"]


def test_a_pod_reaches_the_api_at_its_service_address_with_its_own_token(
    cluster: Cluster, restricted_namespace: str
) -> None:
    script = """
import os, ssl, urllib.error, urllib.request
folder = "/var/run/secrets/kubernetes.io/serviceaccount"
context = ssl.create_default_context(cafile=f"{folder}/ca.crt")
host = os.environ["KUBERNETES_SERVICE_HOST"]
request = urllib.request.Request(f"https://{host}/api/v1/namespaces")
request.add_header("Authorization", f"Bearer {open(folder + '/token').read()}")
try:
    urllib.request.urlopen(request, context=context, timeout=10)
except urllib.error.HTTPError as refused:
    print(refused.code, refused.read().decode())
"""

    log = run_to_completion(
        cluster, restricted_namespace, python_job(cluster.images.operator(), script)
    )

    # It is known by name, and may do nothing.
    assert log.startswith("403")
    assert f"system:serviceaccount:{restricted_namespace}:default" in log


def test_a_job_on_a_gpu_is_placed_and_writes_to_the_s3_server_from_the_worker_image(
    cluster: Cluster, restricted_namespace: str
) -> None:
    script = """
import boto3, torch
s3 = boto3.client("s3")
s3.put_object(Bucket="artifacts", Key="probe", Body=b"written")
body = s3.get_object(Bucket="artifacts", Key="probe")["Body"].read().decode()
print(torch.ones(2).sum().item(), body)
"""
    store = cluster.object_store
    environment = {
        "AWS_ENDPOINT_URL_S3": store.endpoint,
        "AWS_REGION": store.region,
        "AWS_ACCESS_KEY_ID": store.access_key,
        "AWS_SECRET_ACCESS_KEY": store.secret_key,
    }
    job = python_job(cluster.images.worker(), script, gpus=1, environment=environment)

    log = run_to_completion(cluster, restricted_namespace, job)

    assert log.split() == ["2.0", "written"]


def test_a_job_that_asks_for_more_gpus_than_there_are_waits_for_them(
    cluster: Cluster, restricted_namespace: str
) -> None:
    kubectl = cluster.control_plane.kubectl
    job = python_job(cluster.images.operator(), "pass", gpus=3)
    kubectl("apply", "-n", restricted_namespace, "-f", "-", stdin=json.dumps(job))

    condition = (
        "--for=jsonpath={.status.conditions[?(@.type=='PodScheduled')].reason}=Unschedulable"
    )
    selector = ("pod", "-n", restricted_namespace, "-l", "job-name=job")
    kubectl("wait", "--for=create", *selector, "--timeout=30s")
    kubectl("wait", condition, *selector, "--timeout=30s")

    message = kubectl("get", *selector, "-o", "jsonpath={.items[0].status.conditions[0].message}")
    assert f"Insufficient {GPU}" in message


def test_the_node_tells_which_gpus_it_has(cluster: Cluster) -> None:
    node = json.loads(cluster.control_plane.kubectl("get", "node", NAME, "-o", "json"))

    assert node["status"]["allocatable"][GPU] == "2"
    assert node["metadata"]["labels"][PRODUCT_LABEL]


def test_a_pod_that_is_not_restricted_is_refused(
    cluster: Cluster, restricted_namespace: str
) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "loose", "namespace": restricted_namespace},
        "spec": {"containers": [{"name": "main", "image": "none.invalid/none"}]},
    }

    with pytest.raises(KubectlError) as refused:
        cluster.control_plane.apply(pod)

    assert "violates PodSecurity" in refused.value.stderr
