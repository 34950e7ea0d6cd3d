"""Which run a resource is on: the one that its status speaks of, or a new one."""

from dataclasses import dataclass
from datetime import datetime

from lathe_api.stages import COMPRESS
from lathe_api.v1alpha1.status import (
    FINISHED,
    ConditionType,
    ModelOptimizationStatus,
    Run,
    StageStatus,
)
from lathe_operator.decide import names
from lathe_operator.values import Job, Observed, Pod, Resource

FIRST = frozenset({"", COMPRESS})
"""Stages that a run begins with."""


@dataclass(frozen=True, slots=True)
class CurrentRun:
    """A run, as far as it has come.

    Attributes:
        name: Name of its Job, whether there is one or not.
        work: Digest of its work.
        said: What status says of it; None when status does not know it yet.
        job: Its Job; None where there is none.
        pods: The Job's pods, oldest first.
        lean: Whether its worker is told to need less memory.
        since: Since when it is wanted, where that is known although there is no Job.
        stage: What status says of the one stage that this is about; None for a whole run.
    """

    name: str
    work: str
    said: Run | None = None
    job: Job | None = None
    pods: tuple[Pod, ...] = ()
    lean: bool = False
    since: datetime | None = None
    stage: StageStatus | None = None

    @property
    def lost(self) -> bool:
        """Whether status knows its Job, but there is none."""
        return self.job is None and self.said is not None and self.said.job is not None


def answers(status: ModelOptimizationStatus, resource: Resource) -> bool:
    """Whether status speaks of what is asked for now: this generation, this request to restart.

    Digests are not compared: a newer operator may compute them otherwise, and must not do finished
    work again for that.
    """
    run = status.run
    return (
        run is not None
        and status.observed_generation == resource.generation
        and (run.restart or "") == resource.restart
    )


def is_answered(seen: Observed) -> bool:
    """Whether the observed status speaks of what is asked for now."""
    return answers(seen.status, seen.resource)


def is_settled(seen: Observed) -> bool:
    """Whether status speaks of what is asked for now, and of its end: there is nothing to do."""
    return seen.status.phase in FINISHED and is_accepted(seen.status) and is_answered(seen)


def is_accepted(status: ModelOptimizationStatus) -> bool:
    """Whether the spec that status speaks of was found valid."""
    return any(c.type == ConditionType.ACCEPTED and c.status == "True" for c in status.conditions)


def has_ended(seen: Observed, work: str) -> bool:
    """Whether the run for this work has ended, although its policy was edited since."""
    run = seen.status.run
    ended = seen.status.phase in FINISHED and is_accepted(seen.status)
    return ended and run is not None and run.plan == work


def current(seen: Observed, work: str) -> CurrentRun:
    """Find the run that is to do this work.

    An edit that leaves the work as it is goes on with its run, and so does a run of several stages
    whose first Job has gone after it had ended. A Job is only missed where status
    speaks of it and nothing was edited since; else a missing Job is made again, under the name of
    the new generation.
    """
    said = seen.status.run
    by_name = {job.name: job for job in seen.jobs}
    if said and said.job:
        job = by_name.get(said.job)
        if is_answered(seen) or (said.plan == work and (job or said.stages)):
            pods = seen.pods.get(job.uid, ()) if job else ()
            return CurrentRun(said.job, said.plan or work, said, job, pods, said.lean)
    kept = said.model_copy(update={"job": None}) if said and said.plan == work else None
    if adopted := _adoptable(seen, work, kept):
        pods = seen.pods.get(adopted.uid, ())
        return CurrentRun(adopted.name, work, kept, adopted, pods, adopted.lean)
    ref, uid = seen.resource.ref, seen.resource.uid
    name = names.job_name(ref.name, uid, work, seen.resource.generation)
    lean = kept is not None and kept.lean
    return CurrentRun(names.lean_name(name) if lean else name, work, kept, lean=lean)


def _adoptable(seen: Observed, work: str, said: Run | None) -> Job | None:
    """The Job that was made for this work before status could say so."""
    known = seen.status.run.job if seen.status.run else None
    found = [
        job
        for job in seen.jobs
        if job.work == names.label_of(work)
        and job.generation >= seen.status.observed_generation
        and job.name != known
        and not job.deleting
        and job.stage in FIRST
        and (said is None or job.lean == said.lean)
    ]
    return max(found, key=lambda job: (job.generation, job.created), default=None)
