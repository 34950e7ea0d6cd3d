"""A stage of a run whose targets need different hardware; see docs/design/0007-stages.md."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lathe_api.outcome import Outcome
from lathe_api.plan import Plan
from lathe_api.stages import Stage
from lathe_api.v1alpha1.status import Failure, StepStatus, TargetStatus
from lathe_steps.base import Artifact
from lathe_steps.errors import Stopped, Transient
from lathe_steps.reasons import ExitCode
from lathe_worker.bench import Bench
from lathe_worker.chain import Chain, End
from lathe_worker.gates import about, decidable, judge
from lathe_worker.handover import Handover, RolledBack, TargetResult, result_key
from lathe_worker.manifest import ManifestStep
from lathe_worker.measured import Measured
from lathe_worker.measuring import Measuring, published
from lathe_worker.pipeline import Walk, is_rejected, target_of
from lathe_worker.progress import Reporter
from lathe_worker.rollback import Result
from lathe_worker.settings import WorkerSettings
from lathe_worker.stages import EVALUATE
from lathe_worker.steps import Steps
from lathe_worker.store import Store

ROLLED_BACK = "rolled back: "
"""How a verdict begins that says so."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one Job does.

    Attributes:
        run: Names the run, the same for all of its stages.
        stage: The stage.
    """

    run: str
    stage: Stage


@dataclass(frozen=True, slots=True)
class Failed:
    """A target that could not be made.

    Attributes:
        step: The step that failed.
        why: How.
    """

    step: str
    why: Stopped


@dataclass(frozen=True, slots=True)
class World:
    """What every stage is given.

    Attributes:
        plan: The whole plan.
        part: What of it is done here.
        store: Reaches the model, the data sets and the output.
        reporter: Told how far the run is.
        settings: What the stage may use.
    """

    plan: Plan
    part: Part
    store: Store
    reporter: Reporter
    settings: WorkerSettings

    @property
    def handover(self) -> Handover:
        """What the stages leave to each other."""
        return Handover(self.store, self.plan.output.uri, self.plan.cache, self.part.run)


class StageWalk(Walk):
    """A walk that makes some of the targets, and leaves what came out to the last stage."""

    def __init__(self, world: World, chain: Chain, span: tuple[int, int]) -> None:
        super().__init__(
            world.plan, world.store, world.reporter, world.settings, chain=chain, span=span
        )
        self.part = world.part
        self.handover = world.handover

    def finish_each(self, steps: Steps, known: Mapping[str, Failed]) -> Mapping[str, Failed]:
        """Finish every step; a target that fails leaves the others alone.

        What failed in an attempt before comes last, since a crash ends all that follows.

        Args:
            steps: The steps.
            known: Targets that are not tried, since they failed before.

        Raises:
            Stopped: A common step failed, or storage did.
        """
        failed = dict(known)
        before = {name for name in self.part.stage.targets if self._failed_before(name)}
        for step in sorted(self.chain.steps, key=lambda it: it.target in before):
            if step.target in failed:
                continue
            try:
                if step.aside:
                    steps.try_aside(step.name)
                else:
                    steps.finish(step.name)
            except Stopped as why:
                if step.target is None or self.is_over(why):
                    raise
                failed[step.target] = Failed(step.name, why)
                self._leave_failed(steps, step.target, failed[step.target])
        return failed

    def is_over(self, why: Stopped) -> bool:
        """Whether the stage ends with a target's failure, since another attempt may do better."""
        return isinstance(why, Transient)

    def settle_some(
        self, steps: Steps, bench: Bench, made: Chain, common: Iterable[str | None]
    ) -> Result:
        """Measure what was made here; gates on what is made elsewhere are left to the last stage.

        Args:
            steps: What was done.
            bench: Measures it.
            made: The part of the chain that was finished.
            common: `None` in it: the common way is measured, too.
        """
        evaluation = self.plan.evaluation
        owners = {*common, *(end.target for end in made.ends)}
        path = tuple(stop for stop in made.path if stop.target in owners)
        if evaluation is None or not (made.ends or path):
            return Result(judge(None, None), None)
        self.meter.begin(EVALUATE)
        return Measuring(
            about(evaluation, [end.target for end in made.ends]),
            made,
            steps,
            bench,
            self.settings.threads,
            self.meter.advance,
            path=path,
            partly=True,
        ).settled()

    def leave(self, steps: Steps, made: Chain, result: Result) -> tuple[TargetStatus, ...]:
        """Leave each target that was made to the last stage, and say how it is."""
        finals = published(made, steps, result)
        return tuple(self._left(steps, end, finals[end.target], result) for end in made.ends)

    def own_steps(self, steps: Steps, target: str | None) -> tuple[ManifestStep, ...]:
        """What was done for a target; for None, for all of them."""
        names = {step.name for step in self.chain.steps if step.target == target}
        return tuple(step for step in steps.told() if step.name in names)

    def _left(self, steps: Steps, end: End, final: Artifact, result: Result) -> TargetStatus:
        target = next(each for each in self.plan.targets if each.name == end.target)
        stop = result.stops.get(end.target)
        said = result.verdict.message.removeprefix(ROLLED_BACK)
        left = TargetResult(
            target=target_of(target, end, final, stop),
            steps=self.own_steps(steps, end.target),
            measured=part_of(result.measured, end.target, self.chain),
            rolled_back=RolledBack(step=stop.step, message=said) if stop else None,
            environment=self.environment,
            seconds=self.seconds,
        )
        key = result_key(self.run_key, end.target, self.environment)
        left = self.handover.keep(key, final, left)
        if self._is_good(left):
            self.handover.offer(key, left)
        self.handover.leave(left)
        return left.target

    def _is_good(self, left: TargetResult) -> bool:
        """Whether another run may take it up: what failed its gates may pass another time."""
        evaluation = self.plan.evaluation
        if evaluation is None or left.measured is None:
            return True
        asked = decidable(about(evaluation, [left.target.name]), left.measured)
        return not is_rejected(self.plan, judge(asked, left.measured))

    def _leave_failed(self, steps: Steps, target: str, failed: Failed) -> None:
        self.handover.leave(
            TargetResult(
                target=failed_target(target, failed),
                steps=self.own_steps(steps, target),
                environment=self.environment,
                seconds=self.seconds,
            )
        )

    def _failed_before(self, target: str) -> bool:
        left = self.handover.result(target)
        return left is not None and not left.succeeded


def failed_target(name: str, failed: Failed) -> TargetStatus:
    """What users read about a target that could not be made."""
    return TargetStatus(
        name=name,
        state="Failed",
        executed=False,
        reason=failed.why.reason,
        message=f"{failed.step}: {failed.why.message}",
    )


def part_of(measured: Measured | None, target: str | None, chain: Chain) -> Measured | None:
    """What was measured of one target, and on its own way; for None, on the common way."""
    if measured is None:
        return None
    own = {step.name for step in chain.steps if step.target == target}
    return measured.model_copy(
        update={
            "metrics": tuple(it for it in measured.metrics if it.target == target),
            "path": tuple(it for it in measured.path if it.step in own),
        }
    )


def outcome_of_stage(
    run_key: str,
    steps: Sequence[StepStatus],
    targets: Sequence[TargetStatus],
    failed: Mapping[str, Failed],
) -> Outcome:
    """How a stage ended; the first target that failed stands for the others."""
    first = next(iter(failed.values()), None)
    code = first.why.exit_code if first else ExitCode.OK
    return Outcome(
        run_key=run_key,
        exit_code=code,
        failure=first
        and Failure(
            step=first.step, reason=first.why.reason, exit_code=code, message=first.why.message
        ),
        steps=tuple(steps),
        targets=tuple(targets),
    )
