"""Acting: all writes of a look, in the order of its decision."""

import logging
from collections.abc import Callable
from datetime import timedelta

from lathe_operator.actions import (
    Action,
    ConfirmGone,
    CreateJob,
    Decision,
    DeleteJob,
    DeleteResource,
    PatchJob,
    PatchStatus,
    PostEvent,
    SetFinalizers,
    TryPod,
)
from lathe_operator.cluster import Cluster
from lathe_operator.errors import Rejected, Waiting
from lathe_operator.values import Manifest, Ref, Refusal, Version

logger = logging.getLogger(__name__)

SOON = timedelta(seconds=2)
"""When to look again where the view and the server disagree."""


class Refused(Exception):  # noqa: N818 - named by what happened, not by being an exception
    """The server does not take the Job, or its pod: one more thing to decide about."""

    def __init__(self, job: str, rejected: Rejected) -> None:
        super().__init__(rejected.message)
        self.refusal = Refusal(job, rejected.conflict, rejected.message, rejected.terminating)


async def act(
    ref: Ref, decision: Decision, cluster: Cluster, note: Callable[[Version], None]
) -> timedelta | None:
    """Make a decision true.

    Args:
        ref: The resource that was decided about.
        decision: What is to be true.
        cluster: Where.
        note: Told of every write, as the watches will show it.

    Returns:
        When to look again if nothing happens.

    Raises:
        Refused: When the server does not take the Job or its pod; nothing that follows was done.
        Failure: When a write failed; nothing that follows was done, and the next look repairs it.
    """
    for action in decision.actions:
        if written := await _do(action, ref, cluster):
            note(written)
    return decision.again


async def _do(action: Action, ref: Ref, cluster: Cluster) -> Version | None:
    match action:
        case CreateJob() | TryPod():
            return await _ask(action, ref, cluster)
        case PatchJob() | DeleteJob():
            return await _change_job(action, ref, cluster)
        case ConfirmGone(name):
            await _confirm_gone(Ref(ref.namespace, name), cluster)
        case PostEvent(manifest):
            await _post_event(ref, manifest, cluster)
        case PatchStatus(seen, fields):
            return await cluster.patch_status(ref, seen, fields)
        case SetFinalizers(seen, finalizers):
            return await cluster.set_finalizers(ref, seen, finalizers)
        case DeleteResource(uid):
            await cluster.delete_resource(ref, uid)
            return Version(uid, None)
    return None


async def _change_job(action: PatchJob | DeleteJob, ref: Ref, cluster: Cluster) -> Version:
    job = Ref(ref.namespace, action.name)
    if isinstance(action, PatchJob):
        return await cluster.patch_job(job, action.uid, action.spec)
    await cluster.delete_job(job, action.uid, last=action.last)
    return Version(action.uid, None)


async def _ask(action: CreateJob | TryPod, ref: Ref, cluster: Cluster) -> Version | None:
    """Ask for a Job or a pod: the server's refusal is an answer."""
    try:
        if isinstance(action, CreateJob):
            return await cluster.create_job(ref.namespace, action.manifest, owner=action.owner)
        await cluster.try_pod(ref.namespace, action.manifest)
    except Rejected as rejected:
        job = action.job if isinstance(action, TryPod) else action.manifest["metadata"]["name"]
        raise Refused(job, rejected) from rejected
    return None


async def _confirm_gone(job: Ref, cluster: Cluster) -> None:
    """Ask the server itself before anything final is said about a missing Job."""
    if await cluster.has_job(job):
        raise Waiting(f"the watch does not show the Job {job}, which exists", after=SOON)


async def _post_event(ref: Ref, manifest: Manifest, cluster: Cluster) -> None:
    """An Event that the server does not take is no reason to leave status untold."""
    try:
        await cluster.post_event(ref.namespace, manifest)
    except Rejected as rejected:
        logger.warning("an Event about %s was refused: %s", ref, rejected.message)
