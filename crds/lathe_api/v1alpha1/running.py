"""How a run is run: policy, queue, and the worker's pod."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from lathe_api.v1alpha1.storage import ObjectName
from lathe_steps.base import Parameters, Rule
from lathe_steps.words import Quantity

Seconds = Annotated[int, Field(ge=1, le=31_536_000)]
LabelKey = Annotated[
    str,
    Field(
        max_length=317,
        pattern=r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$",
    ),
]
LabelValue = Annotated[
    str, Field(max_length=63, pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$")
]
Amount = Annotated[int, Field(ge=0)] | Quantity

RESERVED_ENV = ("AWS_", "LD_", "NVIDIA_", "LATHE_", "PYTHON")


class RunLimits(Parameters):
    """How long and how often; a profile may say so for many resources."""

    active_deadline_seconds: Seconds = 14_400
    """Most running time, of each Job of the run; time in queues and while suspended does not
    count."""
    pending_deadline_seconds: Seconds = 86_400
    """Most time that it may wait for queues and nodes, from submission on, and a later stage from
    when it is wanted; time while suspended does not count."""
    backoff_limit: Annotated[int, Field(ge=0, le=20)] = 3
    """Failures of the worker before the run fails; evictions and preemptions do not count. A worker
    that runs out of memory is tried once more with smaller batches, in a Job that counts anew, and
    then the run fails; with 0 it fails at once."""
    ttl_seconds_after_finished: Annotated[int, Field(ge=0, le=31_536_000)] | None = None
    """Delete the resource this long after it finished; without it, keep it."""
    job_ttl_seconds_after_finished: Annotated[int, Field(ge=0, le=31_536_000)] = Field(
        default=3600, alias="jobTTLSecondsAfterFinished"
    )
    """Delete its Jobs and their pods this long after they finished."""
    cache: Literal["Off", "Read", "ReadWrite"] = "ReadWrite"
    """Whether finished steps are taken up again from the output's prefix, and kept there."""


class RunPolicy(RunLimits):
    """How long, how often and whether at all."""

    suspend: bool = False
    """Stop the run, or do not start it, until this is false again."""
    cancel: bool = False
    """End the run for good; cannot be taken back."""


class Scheduling(Parameters):
    """Queue and priority."""

    queue_name: ObjectName | None = None
    """Kueue's LocalQueue; becomes a label of the Job."""
    priority_class_name: ObjectName | None = None
    """Kueue's WorkloadPriorityClass with a queue, else the pod's PriorityClass."""


class Resources(Parameters):
    """What the worker asks for."""

    limits: Annotated[dict[LabelKey, Amount], Field(max_length=16)] = Field(default_factory=dict)
    """Limits by resource name."""
    requests: Annotated[dict[LabelKey, Amount], Field(max_length=16)] = Field(default_factory=dict)
    """Requests by resource name."""


class Workspace(Parameters):
    """The worker's disk."""

    size: Quantity = "20Gi"
    """How much it may hold: the model, its data sets, and what the steps make."""
    storage_class_name: ObjectName | None = None
    """With a class, an ephemeral volume of it; without, an emptyDir."""


class EnvVar(Parameters):
    """One variable of the worker's environment."""

    rules: ClassVar = (
        Rule(
            "!self.name.matches('^(AWS_|LD_|NVIDIA_|LATHE_|PYTHON)')",
            "names that start with AWS_, LD_, NVIDIA_, LATHE_ or PYTHON are not for users to set",
            lambda it: not it.name.startswith(RESERVED_ENV),
        ),
    )

    name: Annotated[str, Field(max_length=63, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
    """Its name."""
    value: Annotated[str, Field(max_length=1024)]
    """Its value."""


class Toleration(Parameters):
    """A taint that the pod tolerates, as in a pod."""

    key: LabelKey | None = None
    """The taint's key; without it, every key."""
    operator: Literal["Exists", "Equal"] = "Equal"
    """How the key's value is compared."""
    value: LabelValue | None = None
    """The taint's value."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """The taint's effect; without it, every effect."""
    toleration_seconds: Annotated[int, Field(ge=0, le=31_536_000)] | None = None
    """For NoExecute: how long."""


class PullSecret(Parameters):
    """A Secret with which the kubelet pulls the image."""

    name: ObjectName
    """Its name."""


class Worker(Parameters):
    """The pod that does the work: an allow-list, not a pod template."""

    image: Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[^\s]+$")] | None = None
    """Image of the worker; without it, the operator's default."""
    image_pull_secrets: Annotated[tuple[PullSecret, ...], Field(max_length=8)] = ()
    """Secrets with which the kubelet pulls the image."""
    service_account_name: ObjectName | None = None
    """ServiceAccount of the pod; without it, the operator's default."""
    resources: Resources = Resources()
    """What the worker asks for; without a limit on GPUs, one nvidia.com/gpu."""
    workspace: Workspace = Workspace()
    """The worker's disk."""
    node_selector: Annotated[dict[LabelKey, LabelValue], Field(max_length=32)] = Field(
        default_factory=dict
    )
    """Labels that a node must have."""
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=32)] = ()
    """Taints that the pod tolerates."""
    affinity: dict[str, Any] = Field(default_factory=dict)
    """Affinity, as in a pod."""
    runtime_class_name: ObjectName | None = None
    """RuntimeClass of the pod, such as nvidia."""
    env: Annotated[
        tuple[EnvVar, ...],
        Field(max_length=32, json_schema_extra={"x-kubernetes-list-map-keys": ["name"]}),
    ] = ()
    """Variables of the worker's environment."""
    labels: Annotated[dict[LabelKey, LabelValue], Field(max_length=32)] = Field(
        default_factory=dict
    )
    """Labels of the pod."""
    annotations: Annotated[
        dict[LabelKey, Annotated[str, Field(max_length=4096)]], Field(max_length=32)
    ] = Field(default_factory=dict)
    """Annotations of the pod."""
