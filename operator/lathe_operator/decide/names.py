"""Names, labels and annotations: functions of what they name, so acting twice is acting once."""

import hashlib
import json

from lathe_api.plan import Plan
from lathe_api.v1alpha1.spec import ModelOptimizationSpec

CONTAINER = "worker"
"""The one container of a worker's pod."""

DOMAIN = "lathe.dev"
RESOURCE = f"{DOMAIN}/resource"
"""Label: name of the resource that a Job or pod works for."""
WORK = f"{DOMAIN}/work"
"""Label of a Job: the first digits of the digest of its work."""
STAGE = f"{DOMAIN}/stage"
"""Label of a Job and its pods: the stage that it does, of a run that has several."""
GENERATION = f"{DOMAIN}/generation"
"""Annotation of a Job: generation of the spec that it was made for."""
PROFILE = f"{DOMAIN}/profile"
"""Annotation of a Job: what its run took from a profile, for as long as status does not say so."""
LEAN = f"{DOMAIN}/lean"
"""Annotation of a Job: its worker needs less memory than the one before it, and more time."""
RESTART = f"{DOMAIN}/restartedAt"
"""Annotation that users put on a resource to have its work done again."""
FINALIZER = f"{DOMAIN}/clean-up"
"""Keeps a deleted resource until its results are removed; only where its spec asks for that."""
QUEUE_DOMAIN = "kueue.x-k8s.io"
QUEUE = f"{QUEUE_DOMAIN}/queue-name"
QUEUE_PRIORITY = f"{QUEUE_DOMAIN}/priority-class"

RESERVED = (DOMAIN, QUEUE_DOMAIN)
"""Domains whose labels and annotations users cannot set on the worker's pod."""

_LABEL_DIGITS = 32
"""A label holds 63 characters: too few for a whole digest."""


def digest(*parts: str) -> str:
    """64 hexadecimal digits that tell these parts, in this order, from all others."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def work_digest(plan: Plan, spec: ModelOptimizationSpec, restart: str) -> str:
    """Name the work: an edit that changes this is a new run, any other edit is policy.

    Everything but `spec.run` is work, the pod that does it included: who gives a run that ran out
    of memory more of it wants it to run again. A request to restart is new work as well.
    """
    pod = json.dumps(spec.model_dump(mode="json", include={"worker", "scheduling"}), sort_keys=True)
    return digest(plan.digest(), pod, restart)


def label_of(work: str) -> str:
    """The digest of a work as far as a label can hold it."""
    return work[:_LABEL_DIGITS]


def job_name(resource: str, uid: str, work: str, generation: int) -> str:
    """Name the Job of a run: at most 49 characters, so that its pods' and lean names fit too.

    The generation tells A from A after A was edited to B and back.
    """
    return f"{resource}-{digest(uid, work, str(generation))[:8]}"


def stage_name(run: str, stage: str) -> str:
    """Name the Job of a stage after the first: at most 57 characters, after the run's."""
    return f"{run}-{stage}"


def lean_name(job: str) -> str:
    """Name the Job that takes a Job's place after its worker ran out of memory."""
    return f"{job}-lean"


def clean_up_name(resource: str, uid: str) -> str:
    """Name the Job that removes the results of a deleted resource."""
    return f"{resource}-{digest(uid, FINALIZER)[:8]}"


def event_name(resource: str, *what: str) -> str:
    """Name an Event by what it is about, so that it is posted once."""
    return f"{resource}.{digest(*what)[:16]}"
