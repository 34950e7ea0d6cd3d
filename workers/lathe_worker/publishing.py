"""The last stage of a run whose targets need different hardware: it publishes what they left."""

from collections.abc import Mapping
from datetime import UTC, datetime

from lathe_api.outcome import Outcome
from lathe_api.v1alpha1.status import TargetStatus, clip
from lathe_steps.base import Artifact
from lathe_steps.errors import Internal
from lathe_steps.reasons import Reason
from lathe_worker import publish
from lathe_worker.bench import Bench
from lathe_worker.chain import Chain
from lathe_worker.gates import Verdict, about, judge_all
from lathe_worker.handover import Shared, TargetResult
from lathe_worker.measured import Measured
from lathe_worker.pipeline import is_rejected
from lathe_worker.publish import Place
from lathe_worker.report import Report, summary
from lathe_worker.stage_walk import ROLLED_BACK, StageWalk, World
from lathe_worker.stages import PUBLISH
from lathe_worker.workspace import Workspace

Results = Mapping[str, TargetResult]
"""What stages left, by target."""


class Publishing(StageWalk):
    """Gates over all targets, report, manifest and pointer; nothing is made or measured here."""

    def __init__(self, world: World, shared: Shared, span: tuple[int, int]) -> None:
        super().__init__(world, Chain((), (), None), span)
        self.shared = shared
        self.run_key = shared.run_key

    def go(self, space: Workspace, bench: Bench) -> Outcome:
        """Publish what is there; a target that is missing keeps only the pointer where it is."""
        bench.close()  # no model is opened here
        if complete := self.published_before():
            return complete
        self.meter.begin(PUBLISH)
        left = {target.name: self.handover.result(target.name) for target in self.plan.targets}
        made = {name: it for name, it in left.items() if it is not None and it.succeeded}
        if not made:
            raise Internal("no stage of the run left a result: request a restart")
        verdict = self._verdict(made)
        place = Place(self.plan.output, self.run_key, rejected=is_rejected(self.plan, verdict))
        finals = {name: self._brought(result, space) for name, result in made.items()}
        artifacts = publish.upload(self.store, place, finals, self.meter.advance)
        measured = self._measured(made)
        seconds = self.shared.seconds + max(it.seconds for it in made.values()) + self.seconds
        report = Report(
            run_key=self.run_key,
            finished=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            seconds=seconds,
            plan=self.plan,
            inputs=self.shared.inputs,
            steps=(*self.shared.steps, *(step for it in left.values() if it for step in it.steps)),
            targets=tuple(_told(name, result) for name, result in left.items()),
            artifacts=artifacts,
            measured=measured,
            gates=verdict,
            rolled_back={n: it.rolled_back.step for n, it in made.items() if it.rolled_back},
            summary=summary(self.plan, measured.metrics if measured else (), seconds),
            environment=self.shared.environment,
            made_on={name: result.environment for name, result in made.items()},
        )
        return self.end(publish.complete(self.store, place, report), "Miss")

    def _verdict(self, made: Results) -> Verdict:
        """All gates on the targets that are there, each by what its own machine measured."""
        evaluation = self.plan.evaluation and about(self.plan.evaluation, made)
        verdict = judge_all(evaluation, [it.measured for it in made.values() if it.measured])
        back = dict.fromkeys(it.rolled_back.message for it in made.values() if it.rolled_back)
        if not back or not verdict.passed:
            return verdict
        said = clip(f"{ROLLED_BACK}{'; '.join(back)}")
        return verdict.model_copy(update={"reason": Reason.ROLLED_BACK, "message": said})

    def _brought(self, result: TargetResult, space: Workspace) -> Artifact:
        name = result.target.name
        artifact = self.handover.bring(result, space.fresh(f"result-{name}"))
        if artifact is None:
            raise Internal(
                f"the files of target {name} are not under {result.folder} any more: "
                "request a restart"
            )
        return artifact

    def _measured(self, made: Results) -> Measured | None:
        """Everything that was measured, by target as the plan has them."""
        first = self.shared.measured
        found = [*([first] if first else []), *(it.measured for it in made.values() if it.measured)]
        if not found:
            return None
        return found[0].model_copy(
            update={
                "metrics": tuple(metric for each in found for metric in each.metrics),
                "path": tuple(waypoint for each in found for waypoint in each.path),
                "timing": next((each.timing for each in found if each.timing), None),
            }
        )


def _told(name: str, result: TargetResult | None) -> TargetStatus:
    if result is not None:
        return result.target
    return TargetStatus(
        name=name,
        state="Failed",
        executed=False,
        reason=Reason.TARGET_FAILED,
        message="its stage left no result",
    )
