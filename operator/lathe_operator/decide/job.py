"""The Job of a run: one container that does the work, and nothing that a user could misuse."""

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from lathe_api.plan import ANNOTATION
from lathe_api.stages import WHOLE, Stage
from lathe_api.v1alpha1.resource import API_VERSION, KIND
from lathe_api.v1alpha1.running import RunPolicy, Workspace
from lathe_api.v1alpha1.spec import ModelOptimizationSpec
from lathe_api.v1alpha1.storage import S3
from lathe_operator.decide import hardware, names
from lathe_operator.decide.admission import Admitted
from lathe_operator.values import MANAGED, JobPolicy, Manifest, Policy, Resource
from lathe_steps.reasons import ExitCode

Document = dict[str, Any]

USER = 65532
"""Neither root nor anybody who owns files in the image."""
PLAN_PATH = "/etc/lathe/plan.json"
WORKSPACE_PATH = "/workspace"
CA_PATH = "/etc/lathe/ca"
ACCESS_PATH = "/var/run/secrets/lathe"
TERMINATION_LOG = "/dev/termination-log"
TMP_SIZE = "4Gi"
TOKEN_SECONDS = 3600
GRACE_SECONDS = 30
"""Time for the worker to end its step and say that it was interrupted."""
HOPELESS = (ExitCode.GATE_FAILED, ExitCode.INVALID_SPEC, ExitCode.BAD_INPUT)
"""Exit codes after which another try would end the same."""

_UNITS = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    **{letter: Decimal(1000) ** power for power, letter in enumerate("kMGTPE", 1)},
    **{f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", 1)},
}


@dataclass(frozen=True, slots=True)
class Order:
    """What a Job is made for.

    Attributes:
        asked: The work.
        resource: Whose it is.
        run: Name of the run's first Job.
        name: Name of this one.
        stage: What of the work it does.
    """

    asked: Admitted
    resource: Resource
    run: str
    name: str
    stage: Stage

    @property
    def labels(self) -> Document:
        """Of the Job, and of its pods."""
        stage = {} if self.stage.name == WHOLE else {names.STAGE: self.stage.name}
        return {MANAGED: "true", names.RESOURCE: self.resource.ref.name, **stage}


def manifest(order: Order, policy: Policy) -> Manifest:
    """The Job that does a stage of this work of this resource."""
    asked = order.asked
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": _metadata(order),
        "spec": {
            "suspend": asked.spec.scheduling.queue_name is not None,
            **policy_of(asked.spec.run).fields(),
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": {"rules": _failure_rules()},
            "template": _pod(order, policy),
        },
    }


def policy_of(run: RunPolicy) -> JobPolicy:
    """The limits of a run's Job.

    A Job's clock begins with its creation and counts the wait for a node: the operator keeps each
    of the run's deadlines apart, and the Job's is for the case that the operator is down.
    """
    return JobPolicy(
        backoff_limit=run.backoff_limit,
        active_deadline_seconds=run.pending_deadline_seconds + run.active_deadline_seconds,
        ttl_seconds_after_finished=run.job_ttl_seconds_after_finished,
    )


def trial_pod(job: Manifest) -> Manifest:
    """The pod that a Job asks for, to be tried and never created."""
    template = job["spec"]["template"]
    metadata = {**template["metadata"], "name": f"{job['metadata']['name']}-trial"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def _metadata(order: Order) -> Document:
    asked, resource = order.asked, order.resource
    labels = {**order.labels, names.WORK: names.label_of(asked.work)}
    if queue := asked.spec.scheduling.queue_name:
        labels[names.QUEUE] = queue
        if priority := asked.spec.scheduling.priority_class_name:
            labels[names.QUEUE_PRIORITY] = priority
    owner = {"apiVersion": API_VERSION, "kind": KIND, "controller": True}
    return {
        "name": order.name,
        "namespace": resource.ref.namespace,
        "labels": labels,
        "annotations": {names.GENERATION: str(resource.generation), **_taken(asked)},
        "ownerReferences": [{**owner, "name": resource.ref.name, "uid": resource.uid}],
    }


def _taken(asked: Admitted) -> Document:
    """What the run took from a profile: it stays so, even if status cannot say so in time."""
    taken = asked.profile
    return {names.PROFILE: taken.model_dump_json()} if taken else {}


def _failure_rules() -> list[Document]:
    """In this order: a disruption is nobody's fault, even where it gives an exit code."""
    disrupted = {"type": "DisruptionTarget", "status": "True"}
    codes = {
        "containerName": names.CONTAINER,
        "operator": "In",
        "values": [int(code) for code in HOPELESS],
    }
    return [
        {"action": "Ignore", "onPodConditions": [disrupted]},
        {"action": "FailJob", "onExitCodes": codes},
    ]


def _pod(order: Order, policy: Policy) -> Document:
    """The pod's template."""
    asked, worker = order.asked, order.asked.spec.worker
    annotations = {**worker.annotations, ANNOTATION: asked.plan.dumped()}
    labels = {**worker.labels, **order.labels}
    spec: Document = {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(order, policy)],
        "volumes": [volume for volume, _ in _volumes(asked.spec)],
        **_placement(asked.spec, order.stage),
    }
    if account := worker.service_account_name or policy.worker_service_account:
        spec["serviceAccountName"] = account
    return {"metadata": {"labels": labels, "annotations": annotations}, "spec": spec}


def _container(order: Order, policy: Policy) -> Document:
    spec = order.asked.spec
    container: Document = {
        "name": names.CONTAINER,
        "image": spec.worker.image or policy.worker_image,
        "command": ["python", "-m", "lathe_worker.main"],
        "env": _environment(order, policy),
        "resources": hardware.resources(spec.worker.resources, order.stage),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "terminationMessagePath": TERMINATION_LOG,
        "terminationMessagePolicy": "File",
        "volumeMounts": [mount for _, mount in _volumes(spec)],
    }
    credentials = spec.storage.s3.credentials
    if credentials and credentials.secret_ref:
        secret = {"name": credentials.secret_ref.name}
        container["envFrom"] = [{"prefix": "LATHE_S3_", "secretRef": secret}]
    return container


def _environment(order: Order, policy: Policy) -> list[Document]:
    spec, resource = order.asked.spec, order.resource
    ours = {
        "LATHE_PLAN": PLAN_PATH,
        "LATHE_NAMESPACE": resource.ref.namespace,
        "LATHE_RESOURCE": resource.ref.name,
        "LATHE_JOB": order.name,
        "LATHE_WORKSPACE": WORKSPACE_PATH,
        "LATHE_WORKSPACE_SIZE": str(size_in_bytes(spec.worker.workspace.size)),
        "LATHE_TERMINATION_LOG": TERMINATION_LOG,
        "LATHE_ALLOW_STATE_DICT": str(policy.allow_state_dict).lower(),
    }
    if order.stage.name != WHOLE:
        ours |= {"LATHE_STAGE": order.stage.name, "LATHE_RUN": order.run}
    if spec.storage.s3.ca:
        ours["LATHE_CA_BUNDLE"] = f"{CA_PATH}/ca.crt"
    users = [{"name": variable.name, "value": variable.value} for variable in spec.worker.env]
    return [*users, *({"name": key, "value": value} for key, value in ours.items())]


def size_in_bytes(quantity: str) -> int:
    """Bytes of a quantity such as 50Gi, rounded up."""
    number = quantity.rstrip("mkKMGTPEi")
    return math.ceil(Decimal(number) * _UNITS[quantity[len(number) :]])


def _volumes(spec: ModelOptimizationSpec) -> list[tuple[Document, Document]]:
    """Each volume with the place where the worker finds it."""
    plan = {"fieldPath": f"metadata.annotations['{ANNOTATION}']"}
    found: list[tuple[Document, Document]] = [
        (
            {"name": "plan", "downwardAPI": {"items": [{"path": "plan.json", "fieldRef": plan}]}},
            {"name": "plan", "mountPath": PLAN_PATH, "subPath": "plan.json", "readOnly": True},
        ),
        (
            {"name": "workspace", **_workspace(spec.worker.workspace)},
            {"name": "workspace", "mountPath": WORKSPACE_PATH},
        ),
        (
            {"name": "tmp", "emptyDir": {"sizeLimit": TMP_SIZE}},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the path in the pod
        ),
        (
            {"name": "access", "projected": {"sources": _access()}},
            {"name": "access", "mountPath": ACCESS_PATH, "readOnly": True},
        ),
    ]
    return found + _authorities(spec.storage.s3)


def _workspace(asked: Workspace) -> Document:
    if asked.storage_class_name is None:
        return {"emptyDir": {"sizeLimit": asked.size}}
    claim = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": asked.storage_class_name,
        "resources": {"requests": {"storage": asked.size}},
    }
    return {"ephemeral": {"volumeClaimTemplate": {"spec": claim}}}


def _access() -> list[Document]:
    """With what the worker tells its progress: a token of its own, and whom to trust."""
    authority = {
        "name": "kube-root-ca.crt",
        "items": [{"key": "ca.crt", "path": "ca.crt"}],
        "optional": True,
    }
    token = {"path": "token", "expirationSeconds": TOKEN_SECONDS}
    return [{"serviceAccountToken": token}, {"configMap": authority}]


def _authorities(s3: S3) -> list[tuple[Document, Document]]:
    if s3.ca is None:
        return []
    reference = s3.ca.config_map_ref
    items = [{"key": reference.key, "path": "ca.crt"}]
    return [
        (
            # optional: of a ConfigMap that is not there, a kubelet tells nobody but in Events; the
            # worker says so, and is tried again
            {
                "name": "ca",
                "configMap": {"name": reference.name, "items": items, "optional": True},
            },
            {"name": "ca", "mountPath": CA_PATH, "readOnly": True},
        )
    ]


def _placement(spec: ModelOptimizationSpec, stage: Stage) -> Document:
    """Where the pod runs; what is not asked for is left out."""
    worker, scheduling = spec.worker, spec.scheduling
    priority = None if scheduling.queue_name else scheduling.priority_class_name
    placement = {
        "nodeSelector": {**worker.node_selector, **hardware.labels(stage.hardware)},
        "tolerations": [each.model_dump(exclude_none=True) for each in worker.tolerations],
        "affinity": worker.affinity,
        "runtimeClassName": worker.runtime_class_name,
        "priorityClassName": priority,
        "imagePullSecrets": [{"name": secret.name} for secret in worker.image_pull_secrets],
    }
    return {key: value for key, value in placement.items() if value}
