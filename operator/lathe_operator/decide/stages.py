"""The stages of a run: which are wanted now, and where the run is when each of them is somewhere.

Each stage has a Job of its own, and is looked at as if it were a run. How it ended is in status,
which outlives its Job.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from lathe_api.plan import Plan
from lathe_api.stages import PUBLISH, Stage, stages_of
from lathe_api.v1alpha1.status import Failure, Phase, StageStatus, State, TargetStatus
from lathe_operator.decide import clocks, names, situation, targets, times
from lathe_operator.decide.runs import FIRST, CurrentRun
from lathe_operator.decide.situation import Look, Situation
from lathe_steps.reasons import Reason

PHASES: dict[State, Phase] = {"Succeeded": Phase.SUCCEEDED, "Failed": Phase.FAILED}
"""Ends that status tells of."""


@dataclass(frozen=True, slots=True)
class Leg:
    """A stage of a run, as far as it has come.

    Attributes:
        stage: What it does.
        look: The same look, at the stage's Job and pods.
        said: What status says of it; None when status does not know it yet.
        found: Where it is.
    """

    stage: Stage
    look: Look
    said: StageStatus | None
    found: Situation

    @property
    def was_over(self) -> bool:
        """Whether status tells of its end."""
        return self.said is not None and self.said.state in PHASES

    @property
    def is_to_be_lean(self) -> bool:
        """Whether its next worker is to need less memory, under another name."""
        return self.found.phase is Phase.RUNNING and self.look.is_to_be_lean

    @property
    def called(self) -> str:
        """What messages call it."""
        made = ", ".join(self.stage.targets) or "what all targets share"
        return "publishing" if self.stage.name == PUBLISH else f"{self.stage.name} ({made})"


@dataclass(frozen=True, slots=True)
class Course:
    """A run, stage by stage.

    Attributes:
        legs: The stages that are wanted by now, the first one first.
        found: Where the run is.
        plan: What is done.
    """

    legs: tuple[Leg, ...]
    found: Situation
    plan: Plan

    @property
    def active(self) -> tuple[Leg, ...]:
        """The stages whose Jobs are to work now."""
        return tuple(leg for leg in self.legs if not leg.found.is_final)

    @property
    def lost(self) -> tuple[str, ...]:
        """Names of Jobs of which nobody knows yet that they are gone."""
        return tuple(
            leg.look.run.name
            for leg in self.legs
            if leg.found.reason is Reason.JOB_DELETED and not leg.was_over
        )

    def told(self, jobs: frozenset[str]) -> Situation:
        """Where the run is, with its stages and targets, when there are these Jobs."""
        if len(stages_of(self.plan)) == 1:
            return self.found
        return replace(
            self.found,
            stages=tuple(_status(leg, jobs) for leg in self.legs),
            targets=_targets(self.plan, self.legs, jobs),
        )


def of(look: Look, plan: Plan) -> Course:
    """Lay out a run by a look at its first Job."""
    first, *rest = stages_of(plan)
    if not rest:
        found = clocks.enforced(look, situation.of(look))
        return Course((Leg(first, look, None, found),), found, plan)
    legs = tuple(_legs(look, plan))
    return Course(legs, _together(legs, _targets(plan, legs)), plan)


def _legs(look: Look, plan: Plan) -> Iterator[Leg]:
    """Every stage that is wanted by now: each waits for those before it."""
    first, *builds, publish = stages_of(plan)
    compress = _first(look, first)
    yield compress
    if compress.found.phase is not Phase.SUCCEEDED or _is_published(compress.found):
        return
    made = [_leg(look, stage) for stage in builds]
    yield from made
    over = all(leg.found.is_final for leg in made)
    told = _targets(plan, (compress, *made))
    if over and any(target.state == "Succeeded" for target in told):
        yield _leg(look, publish)


def _is_published(found: Situation) -> bool:
    """Whether the whole result was there already."""
    return found.outcome is not None and found.outcome.manifest_uri is not None


def _first(look: Look, stage: Stage) -> Leg:
    """The first stage; where a later one has a Job, it has succeeded."""
    said = _said(look, stage)
    if said and said.state in PHASES:
        return Leg(stage, look, said, _remembered(said))
    later = (job for job in look.seen.jobs if job.stage not in FIRST)
    if look.run.job is None and any(job.name.startswith(f"{look.run.name}-") for job in later):
        now = look.seen.now
        return Leg(stage, look, said, Situation(Phase.SUCCEEDED, Reason.SUCCEEDED, "", ended=now))
    return Leg(stage, look, said, clocks.enforced(look, situation.of(look)))


def _leg(look: Look, stage: Stage) -> Leg:
    """A later stage."""
    said, run, seen = _said(look, stage), look.run, look.seen
    lean = run.lean or (said is not None and said.lean)
    name = names.stage_name(run.name, stage.name)
    name = names.lean_name(name) if lean and not run.lean else name
    job = next((job for job in seen.jobs if job.name == name), None)
    job_said = {"job": said.job if said else None}
    own = CurrentRun(
        name=name,
        work=run.work,
        said=run.said.model_copy(update=job_said) if run.said else None,
        job=job,
        pods=seen.pods.get(job.uid, ()) if job else (),
        lean=lean,
        since=times.parsed(said.since) if said else seen.now,
        stage=said,
    )
    at = replace(look, run=own)
    over = said is not None and said.state in PHASES
    return Leg(
        stage,
        at,
        said,
        _remembered(said) if said and over else clocks.enforced(at, situation.of(at)),
    )


def _said(look: Look, stage: Stage) -> StageStatus | None:
    """What status says of a stage of this run."""
    told = look.run.said.stages if look.run.said else ()
    return next((each for each in told if each.name == stage.name), None)


def _remembered(said: StageStatus) -> Situation:
    """The end of a stage, as status tells it."""
    reason = targets.reason_of(said.reason, Reason.SUCCEEDED)
    return Situation(PHASES[said.state], reason, said.message, ended=times.parsed(said.since))


def _together(legs: tuple[Leg, ...], told: tuple[TargetStatus, ...]) -> Situation:
    """Where a run is: at its first stage, among its builds, at the last stage, or over."""
    first, last = legs[0], legs[-1]
    if cancelled := next((leg for leg in legs if leg.found.phase is Phase.CANCELLED), None):
        return cancelled.found
    if first.found.phase is not Phase.SUCCEEDED or _is_published(first.found):
        return first.found
    active = [leg for leg in legs if not leg.found.is_final]
    if active:
        return _under_way(active)
    failed = [target for target in told if target.state == "Failed"]
    if last.found.phase is Phase.SUCCEEDED and not failed:
        return last.found
    if last.stage.name == PUBLISH and last.found.phase is Phase.FAILED:
        return last.found
    return _without(failed, last, legs)


def _under_way(active: Sequence[Leg]) -> Situation:
    """Where those are that are not over: a worker that runs comes first, then what hinders."""
    running = [leg for leg in active if leg.found.phase is Phase.RUNNING]
    stuck = [leg for leg in active if leg.found.phase is not Phase.RUNNING]
    if not running:
        leg = next((it for it in stuck if it.found.reason is not Reason.PENDING), stuck[0])
        return replace(leg.found, message=f"{leg.called}: {leg.found.message}")
    shown = next((leg for leg in running if leg.found.reason is not Reason.IN_PROGRESS), running[0])
    parts = [f"{leg.called}: {leg.found.message}" for leg in (*running, *stuck)]
    return replace(shown.found, message="; ".join(parts))


def _without(failed: Sequence[TargetStatus], last: Leg, legs: Sequence[Leg]) -> Situation:
    """The end of a run that has not made all of its targets."""
    said = "; ".join(f"target {it.name}: {it.message}" for it in failed)
    reason = Reason.TARGET_FAILED
    if len(failed) == 1:
        reason = targets.reason_of(failed[0].reason, reason)
    outcome = last.found.outcome if last.stage.name == PUBLISH else None
    published = outcome.manifest_uri if outcome else None
    message = f"{said}; the others are published: see {published}" if published else said
    ended = max(leg.found.ended for leg in legs if leg.found.ended)
    failure = Failure(reason=reason, message=message, time=times.spelled(ended))
    return Situation(Phase.FAILED, reason, message, outcome, failure, ended)


def _status(leg: Leg, jobs: frozenset[str]) -> StageStatus:
    """What status says of a stage; since when changes with where it is."""
    found, run, said = leg.found, leg.look.run, leg.said
    if said and leg.was_over:
        return said
    state = _state(found)
    silent = found.reason in targets.SILENT
    return StageStatus(
        name=leg.stage.name,
        job=_job(leg, jobs),
        state=state,
        since=said.since if said and said.state == state else _since(leg),
        reason=None if silent else found.reason,
        message="" if silent else found.message,
        lean=(run.lean and not leg.stage.is_first) or leg.is_to_be_lean,
    )


def _job(leg: Leg, jobs: frozenset[str]) -> str | None:
    """The stage's Job, unless there is none."""
    name = leg.look.run.name
    return name if leg.found.is_final or (name in jobs and not leg.is_to_be_lean) else None


def _since(leg: Leg) -> str:
    return times.spelled(leg.found.ended or leg.look.seen.now)


def _state(found: Situation) -> State:
    if found.phase is Phase.SUCCEEDED:
        return "Succeeded"
    if found.is_final:
        return "Failed"
    return "Running" if found.phase is Phase.RUNNING else "Pending"


def _targets(
    plan: Plan, legs: Sequence[Leg], jobs: frozenset[str] = frozenset()
) -> tuple[TargetStatus, ...]:
    """Where all targets are."""
    seen = legs[0].look
    before = {it.name: it for it in seen.seen.status.targets} if seen.run.said else {}
    last = legs[-1].found.outcome if legs[-1].stage.name == PUBLISH else None
    published = {it.name: it for it in last.targets} if last else {}
    told = []
    for target in plan.targets:
        leg = next((leg for leg in legs if target.name in leg.stage.targets), None)
        if leg is None:
            told.append(TargetStatus(name=target.name, state="Pending", executed=False))
            continue
        place = targets.Place(_job(leg, jobs), leg.found, _state(leg.found))
        known = before.get(target.name)
        told.append(targets.told(target.name, place, known, published.get(target.name)))
    return tuple(told)
