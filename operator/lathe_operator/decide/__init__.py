"""Deciding: what is to be done about one look at a resource. Pure: frozen in, frozen out."""

from datetime import timedelta

from lathe_api.v1alpha1.status import ModelOptimizationStatus, Phase
from lathe_api.validation import Invalid
from lathe_operator.decide import (
    admission,
    attempts,
    cleanup,
    clocks,
    deletion,
    events,
    facts,
    job,
    runs,
    situation,
    status,
)
from lathe_operator.decide.admission import Admitted
from lathe_operator.decide.situation import Look, Situation
from lathe_operator.values import (
    Action,
    ConfirmGone,
    CreateJob,
    Decision,
    DeleteJob,
    Job,
    Manifest,
    Observed,
    PatchJob,
    PatchStatus,
    Policy,
    TryPod,
    Version,
)
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
    found = clocks.enforced(look, situation.of(look))
    made = job.manifest(asked, seen.resource, run.name, policy)
    create = CreateJob(attempts.leaner(made) if run.lean else made, seen.resource.uid)
    if found.is_final:
        return _finish(look, found)
    if found.phase is Phase.RUNNING and look.is_to_be_lean:
        after = status.lean(look, found)
        return Decision(_told(seen, after), facts=facts.between(seen, after))
    jobs = _job_actions(look, found, create)
    if wait := _patience(look, found):
        return Decision(jobs, wait)
    after = status.of(look, found, has_job=_has_job(look, found, jobs))
    ask = (TryPod(job.trial_pod(create.manifest)),) if look.is_podless and not seen.refusal else ()
    actions = (*jobs, *ask, *_told(seen, after))
    return Decision(actions, cleanup.look_again(look, found), facts.between(seen, after))


def _finish(look: Look, found: Situation) -> Decision:
    """Tell of the end first: a Job that is gone before would look as if somebody took it."""
    seen = look.seen
    confirm = (ConfirmGone(look.run.name),) if found.reason is Reason.JOB_DELETED else ()
    after = status.of(look, found, has_job=look.run.job is not None or look.run.lost)
    actions = (*confirm, *_told(seen, after), *cleanup.unfinished_jobs(seen))
    return Decision(actions, cleanup.until_expiry(seen, after), facts.between(seen, after))


def _job_actions(look: Look, found: Situation, create: CreateJob) -> tuple[Action, ...]:
    """What is to happen to Jobs before anybody is told: at most one of them works."""
    run, current = look.run, look.unfinished
    others = cleanup.unfinished_jobs(look.seen, keep=run.name)
    if found.phase is Phase.SUSPENDED:
        return (*others, *_held_back(look))
    if run.job is None and look.seen.refusal is None:
        return (*others, create)
    fields = _changes(look, current) if current else {}
    return (*others, PatchJob(current.name, current.uid, fields)) if current and fields else others


def _changes(look: Look, current: Job) -> Manifest:
    """What is not in the Job's spec as it should be: policy takes effect while work goes on."""
    policy = job.policy_of(look.spec.run)
    fields: dict[str, object] = dict(policy.fields()) if current.policy != policy else {}
    if current.suspended and not current.queued:
        fields["suspend"] = False
    return {} if current.deleting else fields


def _held_back(look: Look) -> tuple[Action, ...]:
    """A queue owns the suspension of its Jobs, so that those are deleted; work done is kept."""
    current = look.unfinished
    if current is None or current.deleting:
        return ()
    if current.queued:
        return (DeleteJob(current.name, current.uid),)
    hold = PatchJob(current.name, current.uid, {"suspend": True})
    return () if current.suspended else (hold,)


def _has_job(look: Look, found: Situation, actions: tuple[Action, ...]) -> bool:
    """Whether there is a Job to speak of once the actions are done."""
    if any(isinstance(action, CreateJob) for action in actions):
        return True
    current = look.run.job
    return current is not None and not (found.phase is Phase.SUSPENDED and current.queued)


def _patience(look: Look, found: Situation) -> timedelta | None:
    """How long to wait for a pod that most likely starts at once, before anything is told."""
    is_first = look.seen.status.observed_generation == 0
    if not is_first or found.reason is not Reason.PENDING or look.seen.refusal:
        return None
    current = look.unfinished
    left = current.created + PATIENCE - look.seen.now if current else PATIENCE
    return min(left, PATIENCE) if left > timedelta(0) else None


def _told(seen: Observed, after: ModelOptimizationStatus) -> tuple[Action, ...]:
    """Events, then status; nothing where status is so already."""
    if seen.status == after:
        return ()
    over = Version(seen.resource.uid, seen.resource.version)
    return (*events.between(seen, after), PatchStatus(over, status.fields(after)))
