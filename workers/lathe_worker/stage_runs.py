"""The stages of a run, each in a Job of its own: compress, build, publish."""

import logging
from pathlib import Path

from lathe_api.outcome import Outcome
from lathe_api.plan import Plan
from lathe_api.stages import PUBLISH, Stage, stages_of
from lathe_steps.errors import BadInput, Internal, InvalidSpec, Stopped
from lathe_steps.reasons import Reason
from lathe_worker.bench import Bench
from lathe_worker.chain import Chain, chain_of
from lathe_worker.digests import of_document
from lathe_worker.environment import features
from lathe_worker.errors import classify, outcome_of
from lathe_worker.fetch import Inputs
from lathe_worker.handover import Shared, TargetResult, result_key
from lathe_worker.pipeline import OpenBench, Walk, walked
from lathe_worker.publishing import Publishing
from lathe_worker.records import Records
from lathe_worker.stage_walk import Failed, Part, StageWalk, World, outcome_of_stage, part_of
from lathe_worker.stages import share
from lathe_worker.steps import Steps
from lathe_worker.subprocess_bench import SubprocessBench
from lathe_worker.workspace import Workspace

MOST_FOR_THE_FIRST = 90
LAST = 95
"""Percent of the run that are over when the last stage begins."""

log = logging.getLogger(__name__)


def run_stage(world: World, *, root: Path, bench: OpenBench = SubprocessBench) -> Outcome:
    """Do one stage of a plan; see `pipeline.run`.

    Only the last stage publishes. Of the others, one that is run again takes up what it left.
    """
    try:
        walk = _walk(world)
    except (Exception, KeyboardInterrupt) as error:
        log.debug("the stage could not begin", exc_info=True)
        return outcome_of(classify(error))
    return walked(walk, root, bench)


def part_named(plan: Plan, run: str, name: str) -> Part:
    """The part of a run that is called so.

    Raises:
        InvalidSpec: The plan has no such stage.
    """
    stage = next((each for each in stages_of(plan) if each.name == name), None)
    if stage is None:
        raise InvalidSpec(
            f"the plan has no stage {name}; use the worker image that belongs to the operator"
        )
    return Part(run, stage)


def _walk(world: World) -> Walk:
    if world.part.stage.is_first:
        return Compressing(world)
    shared = world.handover.shared()
    if shared is None:
        raise Internal(
            f"the first stage of {world.part.run} left nothing under {world.plan.output.uri}: "
            "request a restart"
        )
    if world.part.stage.name == PUBLISH:
        return Publishing(world, shared, (LAST, 100))
    return Building(world, shared)


def _first_span(whole: Chain, first: Stage) -> int:
    """Percent of the run that are over when the first stage ends."""
    return min(share(whole.of(first.targets), whole), MOST_FOR_THE_FIRST)


class Compressing(StageWalk):
    """The first stage: what all targets share, and those that any node can make."""

    def __init__(self, world: World) -> None:
        whole = chain_of(world.plan, features())
        own = whole.of(world.part.stage.targets)
        super().__init__(world, own, (0, _first_span(whole, world.part.stage)))
        self.whole = whole

    def go(self, space: Workspace, bench: Bench) -> Outcome:
        """Walk to where the stages part."""
        begun = self.begin(space, bench)
        if isinstance(begun, Outcome):
            return begun
        uri, cache = self.plan.output.uri, self.plan.cache
        records = Records(self.store, uri, cache, self.part.run)
        self.steps = steps = self.open(begun.inputs, begun.given, records, space, bench)
        failed = self.finish_each(steps, self._known())
        made = self.chain.of([n for n in self.part.stage.targets if n not in failed])
        result = self.settle_some(steps, bench, made, common=[None])
        targets = self.leave(steps, made, result)
        self.handover.share(
            Shared(
                run_key=self.run_key,
                isa=tuple(sorted(features())),
                inputs=begun.inputs.told(),
                steps=self.own_steps(steps, None),
                measured=part_of(result.measured, None, self.chain),
                environment=self.environment,
                seconds=self.seconds,
            )
        )
        self.meter.finish("what all targets share is there")
        lost = tuple(left.target for name in failed if (left := self.handover.result(name)))
        told = tuple(step.status() for step in steps.told())
        return outcome_of_stage(self.run_key, told, (*targets, *lost), {})

    def is_over(self, why: Stopped) -> bool:
        """Also for want of memory: the next worker needs less, and this stage is not done twice."""
        starved = why.reason is Reason.OUT_OF_MEMORY and not self.settings.lean
        return starved or super().is_over(why)

    def _known(self) -> dict[str, Failed]:
        """Targets that failed in an earlier attempt: the others wait for this stage to end."""
        left = filter(None, map(self.handover.result, self.part.stage.targets))
        return {
            it.target.name: Failed("", Stopped(it.target.message))
            for it in left
            if not it.succeeded
        }


class Building(StageWalk):
    """A stage of targets that need the hardware that it runs on."""

    def __init__(self, world: World, shared: Shared) -> None:
        whole = chain_of(world.plan, frozenset(shared.isa), features())
        first = _first_span(whole, stages_of(world.plan)[0])
        super().__init__(world, whole.of(world.part.stage.targets), (first, LAST))
        self.shared = shared
        self.run_key = shared.run_key

    def go(self, space: Workspace, bench: Bench) -> Outcome:
        """Walk to what the last stage publishes."""
        if complete := self.published_before():
            return complete
        names = self.part.stage.targets
        keys = sorted(result_key(self.run_key, name, self.environment) for name in names)
        self.hold(of_document(keys), lambda: all(map(self._taken_up, names)))
        before = {name: left for name in names if (left := self._taken_up(name))}
        self.chain = self.chain.of([name for name in names if name not in before])
        told = tuple(step.status() for left in before.values() for step in left.steps)
        targets = tuple(left.target for left in before.values())
        if not self.chain.ends:
            self.meter.finish("the targets were there already")
            return outcome_of_stage(self.run_key, told, targets, {})
        self.steps = steps = self._begun(space, bench)
        failed = self.finish_each(steps, {})
        made = self.chain.of([end.target for end in self.chain.ends if end.target not in failed])
        targets += self.leave(steps, made, self.settle_some(steps, bench, made, common=[]))
        self.meter.finish("the targets are there")
        lost = tuple(left.target for name in failed if (left := self.handover.result(name)))
        told += tuple(
            s.status() for end in self.chain.ends for s in self.own_steps(steps, end.target)
        )
        return outcome_of_stage(self.run_key, told, (*targets, *lost), failed)

    def _begun(self, space: Workspace, bench: Bench) -> Steps:
        listing = self.look()
        inputs = self.fetch(listing, space, bench)
        self._require_the_same(inputs)
        records = Records(self.store, self.plan.output.uri, self.plan.cache, self.part.run)
        given = listing.given(self.plan, inputs.digests)
        return self.open(inputs, given, records, space, bench)

    def _taken_up(self, target: str) -> TargetResult | None:
        """What an earlier attempt, or another run, left of a target."""
        left = self.handover.result(target)
        if left is not None and left.succeeded:
            return left
        found = self.handover.made_before(result_key(self.run_key, target, self.environment))
        if found is not None:
            self.handover.leave(found)
        return found

    def _require_the_same(self, inputs: Inputs) -> None:
        """Refuse other inputs than the first stage had: the result would be of neither."""
        for now, then in zip(inputs.told(), self.shared.inputs, strict=True):
            if now.digest != then.digest:
                raise BadInput(
                    f"{now.uri} was {then.digest} when the run began and is {now.digest} now; "
                    "restore it, or request a restart",
                    reason=Reason.OBJECT_CHANGED,
                )
