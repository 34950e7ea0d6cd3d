"""Deciding: what is to be done about one look at a resource. Pure: frozen in, frozen out."""

from datetime import timedelta

from lathe_api.v1alpha1.status import ModelOptimizationStatus, Phase
from lathe_api.validation import Invalid
from lathe_operator.actions import (
    Action,
    ConfirmGone,
    CreateJob,
    Decision,
    DeleteJob,
    PatchJob,
    PatchStatus,
    TryPod,
)
from lathe_operator.decide import (
    admission,
    attempts,
    cleanup,
    deletion,
    events,
    facts,
    job,
    queues,
    runs,
    stages,
    status,
)
from lathe_operator.decide.admission import Admitted
from lathe_operator.decide.situation import Look, Situation
from lathe_operator.decide.stages import Course, Leg
from lathe_operator.values import Job, Manifest, Observed, Policy, Version
from lathe_steps.reasons import Reason

PATIENCE = timedelta(seconds=2)
"""How long a new run may go without a status: one that starts at once is told of once."""


def decide(seen: Observed, policy: Policy) -> Decision:
    """Say what is to be made true, in which order, and when to look again."""
    if seen.resource.deleting:
        return deletion.decide(seen, policy)
    if changed := deletion.finalizer(seen):
        return Decision((changed,))
    if runs.is_settled(seen):
        return _after_the_end(seen, seen.status)
    asked = admission.admit(seen, policy)
    if isinstance(asked, Invalid):
        return _refuse(seen, asked)
    if runs.has_ended(seen, asked.work):
        return _after_the_end(seen, status.kept(seen))
    return _go_on(seen, asked, policy)


def _after_the_end(seen: Observed, after: ModelOptimizationStatus) -> Decision:
    """Nothing works any more, and in the end the resource goes."""
    actions = (
        *_told(seen, after),
        *cleanup.unfinished_jobs(seen),
        *cleanup.expired(seen, after),
    )
    return Decision(actions, cleanup.until_expiry(seen, after), facts.between(seen, after))


def _refuse(seen: Observed, invalid: Invalid) -> Decision:
    """An invalid resource is a value that gets a condition; what it asked for before stops."""
    after = status.refused(seen, invalid)
    return _after_the_end(seen, after)


def _go_on(seen: Observed, asked: Admitted, policy: Policy) -> Decision:
    """Bring the run one look further."""
    run = runs.current(seen, asked.work)
    look = Look(seen, asked.spec, run)
    course = stages.of(look, asked.plan)
    if course.found.is_final:
        return _finish(look, course)
    if course.legs[0].is_to_be_lean:
        leaner = status.lean(look, course.found)
        return Decision(_told(seen, leaner), facts=facts.between(seen, leaner))
    jobs = _job_actions(course, asked, policy)
    if wait := _patience(course):
        return Decision(jobs, wait)
    there = _jobs_after(course, jobs)
    after = status.of(look, course.told(there), has_job=_goes_on(course, there))
    actions = (*_confirmed(course), *jobs, *_trials(course, asked, policy), *_told(seen, after))
    return Decision(actions, _again(course), facts.between(seen, after))


def _finish(look: Look, course: Course) -> Decision:
    """Tell of the end first: a Job that is gone before would look as if somebody took it."""
    seen = look.seen
    names = frozenset(job.name for job in seen.jobs)
    has_job = look.run.job is not None or look.run.lost or len(course.legs) > 1
    after = status.of(look, course.told(names), has_job=has_job)
    actions = (*_confirmed(course), *_told(seen, after), *cleanup.unfinished_jobs(seen))
    return Decision(actions, cleanup.until_expiry(seen, after), facts.between(seen, after))


def _confirmed(course: Course) -> tuple[Action, ...]:
    """Nothing final is said of a missing Job before the server itself has been asked."""
    return tuple(ConfirmGone(name) for name in course.lost)


def _job_actions(course: Course, asked: Admitted, policy: Policy) -> tuple[Action, ...]:
    """What is to happen to Jobs before anybody is told: at most one of each stage works."""
    wanted = {leg.look.run.name for leg in course.active}
    others = cleanup.unfinished_jobs(course.legs[0].look.seen, keep=wanted)
    own = (each for leg in course.active for each in _leg_actions(leg, course, asked, policy))
    return (*others, *own)


def _leg_actions(leg: Leg, course: Course, asked: Admitted, policy: Policy) -> tuple[Action, ...]:
    """What is to happen to a stage's Job."""
    look, current = leg.look, leg.look.unfinished
    if leg.found.phase is Phase.SUSPENDED:
        return _held_back(look)
    if look.run.job is None and look.refusal is None:
        made = _made(leg, course, asked, policy)
        return (CreateJob(made, look.seen.resource.uid),)
    fields = _changes(look, current) if current and not leg.is_to_be_lean else {}
    return (PatchJob(current.name, current.uid, fields),) if current and fields else ()


def _made(leg: Leg, course: Course, asked: Admitted, policy: Policy) -> Manifest:
    """The Job of a stage."""
    run, resource = leg.look.run, leg.look.seen.resource
    first = course.legs[0].look.run.name
    made = job.manifest(job.Order(asked, resource, first, run.name, leg.stage), policy)
    return attempts.leaner(made) if run.lean else made


def _trials(course: Course, asked: Admitted, policy: Policy) -> tuple[Action, ...]:
    """Ask the server why Jobs have no pods."""
    return tuple(
        TryPod(leg.look.run.name, job.trial_pod(_made(leg, course, asked, policy)))
        for leg in course.active
        if leg.look.is_podless and not leg.look.refusal
    )


def _again(course: Course) -> timedelta | None:
    """When something is to be decided although nothing may have happened by then."""
    moments = [cleanup.look_again(leg.look, leg.found) for leg in course.active]
    return min((each for each in moments if each is not None), default=None)


def _changes(look: Look, current: Job) -> Manifest:
    """What is not in the Job's spec as it should be: policy takes effect while work goes on."""
    if current.deleting or current.elsewhere:
        return {}
    policy = job.policy_of(look.spec.run)
    fields: dict[str, object] = dict(policy.fields()) if current.policy != policy else {}
    if current.suspended and not queues.owns(look.seen, current):
        fields["suspend"] = False
    return fields


def _held_back(look: Look) -> tuple[Action, ...]:
    """A queue owns the suspension of its Jobs, so that those are deleted; work done is kept."""
    current = look.unfinished
    if current is None or current.deleting:
        return ()
    if queues.owns(look.seen, current):
        return (DeleteJob(current.name, current.uid),)
    hold = PatchJob(current.name, current.uid, {"suspend": True})
    return () if current.suspended else (hold,)


def _jobs_after(course: Course, actions: tuple[Action, ...]) -> frozenset[str]:
    """Names of the Jobs that there are to speak of once the actions are done."""
    there = {leg.look.run.job.name for leg in course.legs if leg.look.run.job and _stays(leg)}
    made = {each.manifest["metadata"]["name"] for each in actions if isinstance(each, CreateJob)}
    return frozenset(there | made)


def _stays(leg: Leg) -> bool:
    """Whether a stage's Job is not given back to its queue."""
    current = leg.look.run.job
    is_queued = current is not None and queues.owns(leg.look.seen, current)
    return not (leg.found.phase is Phase.SUSPENDED and is_queued)


def _goes_on(course: Course, jobs: frozenset[str]) -> bool:
    """Whether there is a Job to speak of, or there was one that had ended."""
    return len(course.legs) > 1 or course.legs[0].look.run.name in jobs


def _patience(course: Course) -> timedelta | None:
    """How long to wait for what most likely comes at once, a pod or a queue's word."""
    first, *later = course.legs
    if later:  # that a stage has ended is told before its Job can go
        return None
    look, found = first.look, first.found
    current = look.unfinished
    if look.refusal or not _is_passing(look, found):
        return None
    since = look.seen.now
    if current:
        since = queues.let_go(look.seen, current) or current.created
    left = since + PATIENCE - look.seen.now
    return min(left, PATIENCE) if left > timedelta(0) else None


def _is_passing(look: Look, found: Situation) -> bool:
    """Whether where the run is now is hardly worth a write."""
    told = look.seen.status
    is_first = told.observed_generation == 0
    if found.reason is Reason.PENDING:
        return is_first or (told.phase is Phase.QUEUED and look.seen.workloads is not None)
    is_queued = found.phase is Phase.QUEUED
    return is_first and is_queued and not queues.has_spoken(look.seen, look.unfinished)


def _told(seen: Observed, after: ModelOptimizationStatus) -> tuple[Action, ...]:
    """Events, then status; nothing where status is so already."""
    if seen.status == after:
        return ()
    over = Version(seen.resource.uid, seen.resource.version)
    return (*events.between(seen, after), PatchStatus(over, status.fields(after)))
