"""Where a run is: a chain of rules, of which the first that applies decides."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from lathe_api.outcome import Outcome
from lathe_api.v1alpha1.spec import ModelOptimizationSpec
from lathe_api.v1alpha1.status import (
    FINISHED,
    Condition,
    ConditionType,
    Failure,
    ModelOptimizationStatus,
    Phase,
    StageStatus,
    TargetStatus,
)
from lathe_operator.decide import attempts, pods, queues, times
from lathe_operator.decide.runs import CurrentRun
from lathe_operator.values import Job, JobEnd, Observed, Pod, Refusal
from lathe_steps.reasons import Reason

LAST_WORDS = timedelta(seconds=15)
"""How much later than its Job's end a pod's may be seen: the two come by different watches."""
PODLESS = timedelta(seconds=5)
"""How long a Job that its controller works on may lack a pod before we ask the server why."""
UNTOUCHED = timedelta(seconds=30)
"""The same for one that its controller has not begun with: it has many others."""
BACKOFF, MOST_BACKOFF = timedelta(seconds=10), timedelta(minutes=10)
"""How long the Job's controller waits after a failure: twice as long each time, up to the most."""

UNBROKEN = frozenset({Reason.ALL_GATES_PASSED, Reason.NO_GATES, Reason.NOT_EVALUATED})
"""What gates say when none of them failed."""


@dataclass(frozen=True, slots=True)
class Situation:
    """Where a run is, and why.

    Attributes:
        phase: Where.
        reason: Why, in one word.
        message: Why, in a line.
        outcome: The worker's last word, where there is one.
        failure: The last failure of an attempt or of the run.
        ended: When the run ended.
        stages: Where its stages are, where it has several.
        targets: Where its targets are, where it has several stages.
    """

    phase: Phase
    reason: Reason
    message: str
    outcome: Outcome | None = None
    failure: Failure | None = None
    ended: datetime | None = None
    stages: tuple[StageStatus, ...] = ()
    targets: tuple[TargetStatus, ...] = ()

    @property
    def is_final(self) -> bool:
        """Whether the run has ended."""
        return self.phase in FINISHED


@dataclass(frozen=True, slots=True)
class Look:
    """What the rules look at."""

    seen: Observed
    spec: ModelOptimizationSpec
    run: CurrentRun

    @property
    def refusal(self) -> Refusal | None:
        """What the server said of its Job, or of the Job's pod, in this look."""
        return next((it for it in self.seen.refusals if it.job == self.run.name), None)

    @property
    def unfinished(self) -> Job | None:
        """The run's Job, if there is one and it has not ended."""
        return self.run.job if self.run.job and self.run.job.end is None else None

    @property
    def live(self) -> Pod | None:
        """The pod of the present attempt."""
        return next((pod for pod in reversed(self.run.pods) if pod.end is None), None)

    @property
    def resumed(self) -> datetime | None:
        """When the run was last let go on; None where it never was held back."""
        held = condition(self.seen.status, ConditionType.SUSPENDED)
        if self.run.said is None or held is None:
            return None
        if held.status == "True":
            return self.seen.now
        return times.parsed(held.last_transition_time) if held.reason == Reason.RESUMED else None

    @property
    def began(self) -> datetime | None:
        """When the worker began to run, if it has since the run was last let go on."""
        job = self.unfinished
        if job and job.elsewhere:
            return job.started if job.ready else None
        starts = [pod.started for pod in self.run.pods if pod.started]
        return min((at for at in starts if not self.resumed or at >= self.resumed), default=None)

    @property
    def failures_are_counted(self) -> bool:
        """Whether the Job has seen its pods' failures, and goes on all the same."""
        job = self.run.job
        failed = [p for p in self.run.pods if p.end and p.end.exit_code != 0 and not p.disrupted]
        return job is not None and not job.failing and job.failed >= len(failed)

    @property
    def awaits_next_attempt(self) -> bool:
        """Whether the last attempt failed and the next does not run yet."""
        if self.live:
            return self.live.started is None
        last = self.run.pods[-1].end if self.run.pods else None
        return self.failures_are_counted and (last is None or last.exit_code != 0)

    @property
    def is_to_be_lean(self) -> bool:
        """Whether the next worker is to need less memory."""
        return attempts.is_worth_a_lean_one(self.run, self.spec.run)

    @property
    def podless_at(self) -> datetime | None:
        """From when on a Job without a pod should have had one; None where none is missed."""
        job = self.unfinished
        if job is None or job.elsewhere or self.live:
            return None
        if job.suspended or job.deleting or job.failing:
            return None
        if ends := [pod.end.time for pod in self.run.pods if pod.end]:
            backoff = min(BACKOFF * (1 << min(job.failed, 6)), MOST_BACKOFF)
            return max(ends) + backoff + PODLESS
        if queues.owns(self.seen, job):
            admitted = queues.let_go(self.seen, job)
            return admitted + PODLESS if admitted else None
        let_go = max(job.created, self.resumed or job.created)
        if job.started and job.started >= let_go:
            return job.started + PODLESS
        return let_go + UNTOUCHED

    @property
    def is_podless(self) -> bool:
        """Whether the Job has had no pod for longer than it should take."""
        return self.podless_at is not None and self.seen.now >= self.podless_at


def condition(status: ModelOptimizationStatus, kind: ConditionType) -> Condition | None:
    """The condition of that type."""
    return next((each for each in status.conditions if each.type == kind), None)


Rule = Callable[[Look], Situation | None]


def of(look: Look) -> Situation:
    """Say where the run is."""
    return next(found for rule in RULES if (found := rule(look)))


def ended(look: Look) -> Situation | None:
    """What Kubernetes calls finished is finished, once the pod's last words are there."""
    job = look.run.job
    if job is None or job.end is None or look.is_to_be_lean:
        return None
    if job.elsewhere:
        return _ended_elsewhere(look, job.end)
    found = _succeeded(look, job.end) if job.end.succeeded else _failed(look, job.end)
    too_early = look.seen.now < job.end.time + LAST_WORDS
    return None if found is None and too_early else found or _without_words(job.end)


def _succeeded(look: Look, end: JobEnd) -> Situation | None:
    """Success needs the worker's word: an exit code alone does not say that anything is there."""
    pod = pods.newest_success(look.run.pods)
    outcome = pods.outcome_of(pod) if pod else None
    if outcome is None:
        return None
    where = outcome.manifest_uri or look.spec.output.uri
    warning = "" if outcome.gates in UNBROKEN else f", although {outcome.gate_message}"
    return Situation(
        Phase.SUCCEEDED,
        Reason.SUCCEEDED,
        f"published{warning}: see {where}",
        outcome,
        attempts_failure(look),
        end.time,
    )


def _ended_elsewhere(look: Look, end: JobEnd) -> Situation:
    """The pod and its words are in another cluster: only its Job's end is brought here."""
    if not end.succeeded:
        return _without_words(end)
    where = look.spec.output.uri
    message = f"ended well in another cluster: its manifest and report are below {where}"
    return Situation(Phase.SUCCEEDED, Reason.SUCCEEDED, message, ended=end.time)


def _failed(look: Look, end: JobEnd) -> Situation | None:
    """The cause, rather than the Job's account of how it gave up."""
    pod = pods.newest_failure(look.run.pods)
    if end.reason == "DeadlineExceeded":
        return failed(Reason.DEADLINE_EXCEEDED, end.message, end.time)
    if pod is None or (failure := pods.failure_of(pod)) is None:
        return None
    told = attempts.explained(failure, look.spec.worker, lean=look.run.lean)
    return Situation(Phase.FAILED, told.reason, told.message, pods.outcome_of(pod), told, end.time)


def _without_words(end: JobEnd) -> Situation:
    """The end of a Job whose pod left nothing that can be read."""
    if end.succeeded:
        message = (
            "the Job completed, but its worker left no readable outcome: look into the output's "
            "uri, and request a restart, which takes up what is there"
        )
        return failed(Reason.JOB_FAILED, message, end.time)
    reason = {"BackoffLimitExceeded": Reason.BACKOFF_LIMIT_EXCEEDED}.get(end.reason)
    words = f"the Job failed ({end.reason}): {end.message}"
    return failed(reason or Reason.JOB_FAILED, words, end.time)


def failed(reason: Reason, message: str, ended: datetime) -> Situation:
    """The end of a run for a reason that no attempt has told."""
    failure = Failure(reason=reason, message=message, time=times.spelled(ended))
    return Situation(Phase.FAILED, reason, message, None, failure, ended)


def cancelled(look: Look) -> Situation | None:
    """The user ends the run for good."""
    if not look.spec.run.cancel:
        return None
    return Situation(
        Phase.CANCELLED,
        Reason.CANCELLED,
        "cancelled by spec.run.cancel",
        failure=attempts_failure(look),
        ended=look.seen.now,
    )


def deleted(look: Look) -> Situation | None:
    """A missing Job never means "not started": somebody took it away."""
    if not look.run.lost:
        return None
    message = (
        f"its Job {look.run.name} was deleted before its end was seen: request a restart to go on "
        "after the last finished step"
    )
    return failed(Reason.JOB_DELETED, message, look.seen.now)


def suspended(look: Look) -> Situation | None:
    """The user holds the run back."""
    if not look.spec.run.suspend:
        return None
    return Situation(
        Phase.SUSPENDED,
        Reason.SUSPENDED,
        "held back by spec.run.suspend",
        failure=attempts_failure(look),
    )


def starved(look: Look) -> Situation | None:
    """A worker ran out of memory: one more that needs less, and then it is over."""
    failure = attempts.out_of_memory(look.run)
    if failure is None or not (look.run.lean or look.is_to_be_lean):
        return None  # the Job itself gives up at once
    told = attempts.explained(failure, look.spec.worker, lean=look.run.lean)
    if look.is_to_be_lean:
        message = "tries again with smaller batches: the worker ran out of memory"
        return Situation(Phase.RUNNING, Reason.RETRYING, message, failure=told)
    return Situation(Phase.FAILED, told.reason, told.message, failure=told, ended=look.seen.now)


def refused(look: Look) -> Situation | None:
    """The server does not take the Job, or its pod."""
    if refusal := look.refusal:
        reason = Reason.NAME_CONFLICT if refusal.conflict else Reason.ADMISSION_DENIED
        return Situation(Phase.PENDING, reason, refusal.message)
    admitted = condition(look.seen.status, ConditionType.ADMITTED)
    still = look.is_podless and look.run.said and admitted
    if still and admitted and admitted.reason == Reason.ADMISSION_DENIED:
        return Situation(Phase.PENDING, Reason.ADMISSION_DENIED, admitted.message)
    return None


def queued(look: Look) -> Situation | None:
    """A queue decides when it starts."""
    job, queue = look.run.job, look.spec.scheduling.queue_name
    waits = job.suspended and queues.owns(look.seen, job) if job else queue is not None
    if not waits:
        return None
    ready = condition(look.seen.status, ConditionType.READY) if look.run.said else None
    told = look.run.stage if look.run.since else ready
    reason, message = queues.why(look.seen, job, queue, told)
    return Situation(Phase.QUEUED, reason, message, failure=attempts_failure(look))


HINDERED = {
    Reason.UNSCHEDULABLE: "no node takes its pod",
    Reason.WAITING_FOR_QUOTA: "its pod is held back",
    Reason.IMAGE_PULL_BACK_OFF: "the worker's image cannot be pulled",
    Reason.CREATE_CONTAINER_CONFIG_ERROR: "its container cannot be created",
}


def hindered(look: Look) -> Situation | None:
    """Scheduler or kubelet say what is in the way."""
    hindrance = look.live.hindrance if look.live else None
    reason = pods.HINDRANCES.get(hindrance.reason) if hindrance else None
    if hindrance is None or reason is None:
        return None
    return Situation(
        Phase.PENDING,
        reason,
        f"{HINDERED[reason]}: {hindrance.message or hindrance.reason}",
        failure=attempts_failure(look),
    )


def running(look: Look) -> Situation | None:
    """A worker runs, or ran a moment ago; between two attempts the run goes on."""
    if look.began is None:
        return None
    failure = attempts_failure(look)
    if failure is None or not look.awaits_next_attempt:
        return Situation(Phase.RUNNING, Reason.IN_PROGRESS, "the worker runs", failure=failure)
    message = f"tries again after a failed attempt ({failure.reason}): see status.lastFailure"
    return Situation(Phase.RUNNING, Reason.RETRYING, message, failure=failure)


def pending(look: Look) -> Situation:
    """Nothing is wrong; it only takes a moment."""
    return Situation(
        Phase.PENDING, Reason.PENDING, "its pod is being started", failure=attempts_failure(look)
    )


RULES: tuple[Rule, ...] = (
    ended,  # what Kubernetes calls finished stays so, whatever is asked for afterwards
    cancelled,  # the user's last word comes before everything that is still open
    deleted,  # before suspended: what is gone cannot be held back
    suspended,  # time does not count, and nobody is to blame
    starved,  # another try of the same would end the same
    refused,  # there is no Job, or no pod, to say more
    queued,  # no pod is to be expected
    hindered,  # a pod that needs help
    running,  # a pod that needs none
    pending,  # always applies
)


def attempts_failure(look: Look) -> Failure | None:
    """The last failure of an attempt, once the Job knows of it and has not given up for it."""
    known = look.seen.status.last_failure if look.run.said else None
    pod = pods.newest_failure(look.run.pods) if look.failures_are_counted else None
    return pods.failure_of(pod) if pod else known
