"""The frozen values that pass between the rooms: what was seen. What is decided is in `actions`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lathe_api.v1alpha1.resource import ModelOptimization
from lathe_api.v1alpha1.status import ModelOptimizationStatus
from lathe_api.validation import Invalid
from lathe_operator.kueue import Workload
from lathe_operator.profiles import ProfilePlace, Taken

Manifest = Mapping[str, Any]
"""A Kubernetes object as JSON has it."""

OPERATOR = "lathe-operator"
"""Field manager and reporting controller: who wrote it."""
MANAGED = "lathe.dev/managed"
"""Label of every object that we create; watches and lists select by it."""


def version_of(body: Manifest) -> int:
    """An object's resourceVersion as a number, which grows with every write; 0 if it is none."""
    text = str(body["metadata"].get("resourceVersion", ""))
    return int(text) if text.isdecimal() else 0


@dataclass(frozen=True, slots=True, order=True)
class Ref:
    """An object's place: enough to find it, not enough to tell it from its namesake of tomorrow."""

    namespace: str
    name: str

    def __str__(self) -> str:
        """As kubectl and logs spell it."""
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Policy:
    """What the administrator decided for all resources.

    Attributes:
        worker_image: Image of workers whose resource names none.
        worker_service_account: ServiceAccount of workers whose resource names none; None: the
            namespace's `default`, which has no rights.
        allow_state_dict: Whether models of the format StateDict are taken.
        allowed_images: Patterns (`*` is any run of characters) of the images that a resource may
            name; empty: every image.
    """

    worker_image: str
    worker_service_account: str | None = None
    allow_state_dict: bool = False
    allowed_images: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Resource:
    """What the index keeps of a resource.

    Attributes:
        ref: Its place.
        uid: Tells it from its namesakes.
        version: The server's resourceVersion; grows with every write, 0 where it is no number.
        generation: Grows with every change of the spec.
        restart: The user's request to run again, a word that means nothing but itself.
        deleting: Whether it is on its way out.
        phase: What its status says, for metrics.
        finished: Whether that is the end of its run.
        waits_since: When it began to wait for a worker, in seconds since 1970; None where it does
            not wait. For metrics.
        finalizers: What keeps it when it is deleted.
        deleted: When somebody asked for its deletion.
        document: The resource as JSON, without its status and what no decision needs.
        status: Its status as JSON, but for progress.
        refused: Whether its status says that it cannot be run.
        profile: Where the profile is that it refers to; None where it refers to none.
    """

    ref: Ref
    uid: str
    version: int
    generation: int
    restart: str
    deleting: bool
    phase: str
    finished: bool
    waits_since: float | None
    document: bytes
    status: bytes
    finalizers: tuple[str, ...] = ()
    deleted: datetime | None = None
    refused: bool = False
    profile: ProfilePlace | None = None


@dataclass(frozen=True, slots=True)
class JobEnd:
    """How a Job ended, as its conditions say."""

    succeeded: bool
    reason: str
    message: str
    time: datetime


@dataclass(frozen=True, slots=True)
class JobPolicy:
    """Limits of a Job, by the names that Kubernetes has for them."""

    backoff_limit: int
    active_deadline_seconds: int
    ttl_seconds_after_finished: int

    def fields(self) -> dict[str, int]:
        """The part of a Job's spec that says so."""
        return {
            "backoffLimit": self.backoff_limit,
            "activeDeadlineSeconds": self.active_deadline_seconds,
            "ttlSecondsAfterFinished": self.ttl_seconds_after_finished,
        }


@dataclass(frozen=True, slots=True)
class Job:
    """What the index keeps of a Job of ours.

    Attributes:
        name: Its name.
        uid: Its uid, which its pods' owner references carry.
        version: The server's resourceVersion; grows with every write.
        owner: The uid of the resource that it works for.
        work: Digest of the work that it was made for.
        generation: Generation of the spec that it was made for.
        created: When it was created.
        started: When its controller began with it, since it was last let go on; None before.
        suspended: Whether it is held back, by us or by a queue.
        held: Since when its controller holds it back; None while it does not.
        queued: Whether a queue decides when it starts.
        policy: Those of its limits that may change while it works.
        failed: Pods that it counts as failed; disrupted ones it does not count.
        failing: Whether it has given up, although not all of its pods are gone.
        end: How it ended; None while it has not.
        deleting: Whether it is on its way out.
        lean: Whether its worker is told to need less memory.
        stage: The stage of its run that it does; empty where it does all of it.
        profile: What its run took from a profile, as JSON; None where it took nothing.
        ready: Whether it has a pod that runs, where that pod is not here.
        elsewhere: Whether another controller works on it, on pods that are not here.
    """

    name: str
    uid: str
    version: int
    owner: str
    work: str
    generation: int
    created: datetime
    suspended: bool
    queued: bool
    policy: JobPolicy
    failed: int
    failing: bool
    end: JobEnd | None
    deleting: bool
    lean: bool = False
    stage: str = ""
    started: datetime | None = None
    held: datetime | None = None
    profile: str | None = None
    ready: bool = False
    elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class Hindrance:
    """What keeps a pod from running, in the words of scheduler or kubelet."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class PodEnd:
    """How a pod ended.

    Attributes:
        exit_code: The worker's; None when it never ran, or nobody knows.
        reason: The kubelet's word, such as OOMKilled or Evicted.
        message: The worker's termination message, or else the kubelet's words.
        time: When.
    """

    exit_code: int | None
    reason: str
    message: str
    time: datetime


@dataclass(frozen=True, slots=True)
class Pod:
    """What the index keeps of a pod of a Job of ours.

    Attributes:
        name: Its name.
        uid: Its uid.
        job: The uid of the Job that controls it.
        created: When it was created.
        started: When its worker began to run; None while it has not.
        hindrance: What keeps it from running, where somebody said so.
        end: How it ended; None while it has not.
        disrupted: Whether the cluster took it away: eviction, preemption, a lost node.
    """

    name: str
    uid: str
    job: str
    created: datetime
    started: datetime | None
    hindrance: Hindrance | None
    end: PodEnd | None
    disrupted: bool


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the server said when it refused what a decision asked for.

    Attributes:
        job: Name of the Job that it did not take, or whose pod.
        conflict: Whether the name is taken by an object of somebody else.
        message: In its words.
        terminating: Whether that is so because the namespace is being deleted.
    """

    job: str
    conflict: bool
    message: str
    terminating: bool = False


@dataclass(frozen=True, slots=True)
class Observed:
    """One look: everything that a decision is made of.

    Attributes:
        now: The time of the look, in UTC.
        resource: What identifies the resource.
        document: The resource with what it took from its profile, or every reason why it cannot
            be run.
        status: What the last decision wrote.
        jobs: Its Jobs, oldest first.
        pods: Pods of each Job by the Job's uid, oldest first.
        workloads: Kueue's Workload of each Job that has one, by the Job's uid; None: not watched.
        taken: What that was, and from which profile; None where it uses none.
        refusals: What was refused of this look's decisions before this one.
    """

    now: datetime
    resource: Resource
    document: ModelOptimization | Invalid
    status: ModelOptimizationStatus
    jobs: tuple[Job, ...] = ()
    pods: Mapping[str, tuple[Pod, ...]] = field(default_factory=dict)
    workloads: Mapping[str, Workload] | None = None
    taken: Taken | None = None
    refusals: tuple[Refusal, ...] = ()


@dataclass(frozen=True, slots=True)
class Version:
    """One state of an object as watches show it; its resourceVersion is None when it is gone."""

    uid: str
    version: int | None
