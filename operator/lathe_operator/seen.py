"""From the objects that the watches bring to the few fields that decisions need."""

import json
import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from lathe_api import profiles
from lathe_api.v1alpha1.kinds import CLUSTER_PROFILE
from lathe_api.v1alpha1.resource import API_VERSION, KIND
from lathe_api.v1alpha1.status import FINISHED, ConditionType, Phase
from lathe_operator.decide import names
from lathe_operator.kueue import Word, Workload
from lathe_operator.profiles import Profile, ProfilePlace
from lathe_operator.values import (
    MANAGED,
    Hindrance,
    Job,
    JobEnd,
    JobPolicy,
    Pod,
    PodEnd,
    Ref,
    Resource,
    version_of,
)
from lathe_steps.reasons import Reason

Body = Mapping[str, Any]
"""An object as the API server gives it."""

WAITING = frozenset({"", Phase.PENDING, Phase.QUEUED})
"""Phases of a resource that waits for a worker; there is none before its first status."""
PASSING = frozenset({"ContainerCreating", "PodInitializing"})
"""What a kubelet says of every container before it starts."""
JOB_CONTROLLER = "kubernetes.io/job-controller"
"""Who works on a Job that names nobody else."""
NEVER = 2**31 - 1
"""Stands for a limit that is not set."""


def controller_of(body: Body, api_version: str, kind: str) -> str | None:
    """The uid of the object of that kind that controls this one."""
    owners = body["metadata"].get("ownerReferences") or ()
    return next(
        (
            owner["uid"]
            for owner in owners
            if owner.get("controller")
            and (owner["apiVersion"], owner["kind"]) == (api_version, kind)
        ),
        None,
    )


def worked_for(body: Body) -> Ref:
    """The resource that a Job or a pod of ours works for."""
    metadata = body["metadata"]
    return Ref(metadata["namespace"], (metadata.get("labels") or {}).get(names.RESOURCE, ""))


def resource_seen(body: Body) -> Resource:
    """What is kept of a resource: all that it says, packed, and what finds it."""
    metadata, status = body["metadata"], body.get("status") or {}
    annotations = metadata.get("annotations") or {}
    phase = str(status.get("phase") or "")
    generation = int(metadata.get("generation", 0))
    return Resource(
        ref=Ref(metadata["namespace"], metadata["name"]),
        uid=metadata["uid"],
        version=version_of(body),
        generation=generation,
        restart=str(annotations.get(names.RESTART, "")),
        deleting="deletionTimestamp" in metadata,
        phase=phase,
        finished=phase in FINISHED and status.get("observedGeneration") == generation,
        waits_since=_waits_since(metadata, status, phase),
        finalizers=tuple(metadata.get("finalizers") or ()),
        deleted=_time(deleted) if (deleted := metadata.get("deletionTimestamp")) else None,
        document=packed(_document(body)),
        status=packed({key: each for key, each in status.items() if key != "progress"}),
        refused=_is_refused(status),
        profile=_profile_of(body),
    )


def _is_refused(status: Body) -> bool:
    conditions = status.get("conditions") or ()
    return any(each["type"] == "Accepted" and each["status"] == "False" for each in conditions)


def _profile_of(body: Body) -> ProfilePlace | None:
    """Where the profile is that a resource refers to."""
    ref = (body.get("spec") or {}).get("profileRef") or {}
    if not ref.keys() >= {"kind", "name"}:
        return None  # nor does the API server take one that lacks either
    return place(ref["kind"], ref["name"], body["metadata"]["namespace"])


def place(kind: str, name: str, namespace: str) -> ProfilePlace:
    """Where the profile is that somebody in a namespace refers to."""
    return ProfilePlace(kind, name, "" if kind == CLUSTER_PROFILE.name else namespace)


def profile_seen(kind: str, body: Body) -> Profile:
    """What is kept of a profile of that kind."""
    metadata, spec = body["metadata"], body.get("spec") or {}
    return Profile(
        place=place(kind, metadata["name"], metadata.get("namespace", "")),
        uid=metadata["uid"],
        version=version_of(body),
        generation=int(metadata.get("generation", 0)),
        spec=profiles.dumped(spec),
        deprecated=profiles.deprecation(spec),
    )


def _waits_since(metadata: Body, status: Body, phase: str) -> float | None:
    """When a resource began to wait for a worker: made, not admitted any more, or let go on."""
    if phase not in WAITING:
        return None
    told = {each["type"]: each for each in status.get("conditions") or ()}
    admitted, held = told.get(ConditionType.ADMITTED), told.get(ConditionType.SUSPENDED)
    since = [admitted] if admitted else []
    since += [held] if held and held.get("reason") == Reason.RESUMED else []
    times = [_time(each["lastTransitionTime"]) for each in since]
    return max(times, default=_time(metadata["creationTimestamp"])).timestamp()


def _document(body: Body) -> Body:
    """What decisions need of a resource beside its status."""
    metadata = body["metadata"]
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": metadata["name"], "namespace": metadata["namespace"]},
        "spec": body.get("spec"),
    }


def packed(document: Body) -> bytes:
    """A third of its JSON, a tenth of its dicts; equal where it is equal."""
    return zlib.compress(json.dumps(document, separators=(",", ":")).encode(), level=1)


def unpacked(document: bytes) -> Body:
    """What was packed."""
    body: Body = json.loads(zlib.decompress(document))
    return body


def job_seen(body: Body) -> Job | None:
    """What is kept of a Job; None for one that no resource of ours controls."""
    owner = controller_of(body, API_VERSION, KIND)
    if owner is None:
        return None
    metadata, spec, status = body["metadata"], body["spec"], body.get("status") or {}
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    conditions = {c["type"]: c for c in status.get("conditions") or () if c["status"] == "True"}
    elsewhere = spec.get("managedBy", JOB_CONTROLLER) != JOB_CONTROLLER
    held = conditions.get("Suspended")
    return Job(
        name=metadata["name"],
        uid=metadata["uid"],
        version=version_of(body),
        owner=owner,
        work=labels.get(names.WORK, ""),
        generation=_number(annotations.get(names.GENERATION)),
        created=_time(metadata["creationTimestamp"]),
        suspended=bool(spec.get("suspend")),
        queued=names.QUEUE in labels,
        policy=_policy(spec),
        failed=int(status.get("failed") or 0),
        failing="FailureTarget" in conditions,
        end=_job_end(conditions),
        deleting="deletionTimestamp" in metadata,
        lean=annotations.get(names.LEAN) == "true",
        stage=labels.get(names.STAGE, ""),
        started=_time(status["startTime"]) if status.get("startTime") else None,
        held=_time(held["lastTransitionTime"]) if held else None,
        profile=annotations.get(names.PROFILE),
        ready=elsewhere and bool(status.get("ready")),
        elsewhere=elsewhere,
    )


def _policy(spec: Body) -> JobPolicy:
    return JobPolicy(
        backoff_limit=int(spec.get("backoffLimit", NEVER)),
        active_deadline_seconds=int(spec.get("activeDeadlineSeconds", NEVER)),
        ttl_seconds_after_finished=int(spec.get("ttlSecondsAfterFinished", NEVER)),
    )


def _job_end(conditions: Mapping[str, Body]) -> JobEnd | None:
    for kind, succeeded in (("Complete", True), ("Failed", False)):
        if found := conditions.get(kind):
            return JobEnd(
                succeeded=succeeded,
                reason=str(found.get("reason") or kind),
                message=str(found.get("message") or ""),
                time=_time(found["lastTransitionTime"]),
            )
    return None


def pod_seen(body: Body) -> Pod | None:
    """What is kept of a pod; None for one that no Job controls."""
    job = controller_of(body, "batch/v1", "Job")
    if job is None:
        return None
    metadata, status = body["metadata"], body.get("status") or {}
    state = _worker_state(status.get("containerStatuses") or ())
    conditions = {each["type"]: each for each in status.get("conditions") or ()}
    ran = state.get("running") or state.get("terminated") or {}
    disruption = conditions.get("DisruptionTarget") or {}
    return Pod(
        name=metadata["name"],
        uid=metadata["uid"],
        job=job,
        created=_time(metadata["creationTimestamp"]),
        started=_time(ran["startedAt"]) if ran.get("startedAt") else None,
        hindrance=_hindrance(state, conditions),
        end=_pod_end(body, state, conditions),
        disrupted=disruption.get("status") == "True",
    )


def queued_for(body: Body) -> Ref | None:
    """The resource that a Workload's pods would work for; None for pods of somebody else."""
    for pods in (body.get("spec") or {}).get("podSets") or ():
        metadata = pods["template"].get("metadata") or {}
        labels = metadata.get("labels") or {}
        if labels.get(MANAGED) == "true":
            return Ref(body["metadata"]["namespace"], labels.get(names.RESOURCE, ""))
    return None


def workload_seen(body: Body) -> Workload | None:
    """What is kept of a Workload; None for one that does not stand for a Job of ours."""
    job = controller_of(body, "batch/v1", "Job")
    if job is None or queued_for(body) is None:
        return None
    metadata, status = body["metadata"], body.get("status") or {}
    conditions = {each["type"]: each for each in status.get("conditions") or ()}
    evicted, reserved = conditions.get("Evicted") or {}, conditions.get("QuotaReserved") or {}
    admitted = conditions.get("Admitted") or {}
    checks = status.get("admissionChecks") or ()
    return Workload(
        name=metadata["name"],
        uid=metadata["uid"],
        job=job,
        active=body["spec"].get("active") is not False,
        evicted=_word(evicted) if evicted.get("status") == "True" else None,
        unreserved=_word(reserved) if reserved.get("status") == "False" else None,
        checks=tuple(
            Word(check["name"], check.get("message") or check["state"])
            for check in checks
            if check["state"] != "Ready"
        ),
        admitted=_time(admitted["lastTransitionTime"])
        if admitted.get("status") == "True"
        else None,
    )


def _word(condition: Body) -> Word:
    return Word(str(condition.get("reason") or ""), str(condition.get("message") or ""))


def _worker_state(statuses: Sequence[Body]) -> Body:
    """The state of the worker's container; empty while the kubelet has none."""
    found = (each.get("state") for each in statuses if each.get("name") == names.CONTAINER)
    return next(found, None) or {}


def _hindrance(state: Body, conditions: Mapping[str, Body]) -> Hindrance | None:
    waiting = state.get("waiting") or {}
    scheduled = conditions.get("PodScheduled") or {}
    if scheduled.get("status") == "False":
        waiting = scheduled
    reason = waiting.get("reason")
    if not reason or reason in PASSING:
        return None
    return Hindrance(str(reason), str(waiting.get("message") or ""))


def _pod_end(body: Body, state: Body, conditions: Mapping[str, Body]) -> PodEnd | None:
    status = body["status"] if body.get("status") else {}
    if status.get("phase") not in ("Succeeded", "Failed"):
        return None
    ended = state.get("terminated") or {}
    changes = [
        str(c["lastTransitionTime"]) for c in conditions.values() if c.get("lastTransitionTime")
    ]
    last = max(changes, default=body["metadata"]["creationTimestamp"])
    return PodEnd(
        exit_code=ended.get("exitCode"),
        reason=str(status.get("reason") or ended.get("reason") or "unknown"),
        message=str(ended.get("message") or status.get("message") or ""),
        time=_time(ended.get("finishedAt") or last),
    )


def _number(text: object) -> int:
    return int(text) if isinstance(text, str) and text.isdecimal() else 0


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
