"""A run: plan → fetch → steps → targets → evaluate → publish."""

import logging
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from lathe_api.outcome import Outcome
from lathe_api.plan import Plan, PlannedTarget
from lathe_api.v1alpha1.status import StepStatus, TargetStatus
from lathe_steps.base import Artifact, Format
from lathe_steps.errors import InvalidSpec, Stopped
from lathe_worker import publish
from lathe_worker.bench import Bench, Require, Wanted
from lathe_worker.chain import Chain, End, Stop, chain_of
from lathe_worker.claims import Claims
from lathe_worker.digests import Given, run_key
from lathe_worker.environment import environment, features
from lathe_worker.errors import classify, outcome_of
from lathe_worker.fetch import Inputs, Listing, fetch, look
from lathe_worker.gates import Verdict, judge
from lathe_worker.hardware import require_gpus
from lathe_worker.manifest import Manifest
from lathe_worker.measuring import Measuring, published
from lathe_worker.notes import Notes
from lathe_worker.opening import open_inputs
from lathe_worker.progress import Meter, Reporter
from lathe_worker.publish import Place
from lathe_worker.records import Records
from lathe_worker.report import Report, summary
from lathe_worker.rollback import Result
from lathe_worker.settings import WorkerSettings
from lathe_worker.stages import EVALUATE, FETCH, OPEN, PUBLISH, stages
from lathe_worker.steps import Ground, Steps
from lathe_worker.store import Store
from lathe_worker.subprocess_bench import SubprocessBench
from lathe_worker.workspace import Workspace, workspace

log = logging.getLogger(__name__)

NOT_EXECUTED = "built here but not run here: quality is that of the graph it was built from"
OTHER_CPU = "made for another CPU than this one: its latency was not measured"
PACKED = "packed: lathe unpack gives back the model that was measured, to be run"

OpenBench = Callable[[WorkerSettings, Path], Bench]


def run(
    plan: Plan,
    *,
    store: Store,
    root: Path,
    reporter: Reporter,
    settings: WorkerSettings,
    bench: OpenBench = SubprocessBench,
) -> Outcome:
    """Do what a plan says, and publish what came out.

    Running the same plan again goes on where it was left: finished steps are taken up from
    storage, and a result that is complete is not made again.

    Args:
        plan: What to do.
        store: Reaches the model, the data sets and the output.
        root: A directory for the workspace, which is taken away afterwards.
        reporter: Told how far the run is.
        settings: What the run may use.
        bench: Opens the toolchains.

    Returns:
        How the run ended: with an exit code of 0, or with a failure. Also when it was interrupted
        (KeyboardInterrupt): then the failure's reason is Interrupted.
    """
    return walked(Walk(plan, store, reporter, settings), root, bench)


def walked(walk: "Walk", root: Path, bench: OpenBench) -> Outcome:
    """Walk to the end, wherever that is; see `run`."""
    try:
        with ExitStack() as stack:
            space = stack.enter_context(workspace(root, walk.settings.workspace_size))
            tools = bench(walk.settings, space.fresh("bench"))
            stack.callback(tools.close)
            stack.callback(walk.claim.close)
            return walk.go(space, tools)
    except (Exception, KeyboardInterrupt) as error:
        log.debug("the run stopped", exc_info=True)
        return walk.stopped(classify(error))


@dataclass(frozen=True, slots=True)
class Begun:
    """A run that is to be done here.

    Attributes:
        inputs: What was fetched.
        given: What its keys are made of.
    """

    inputs: Inputs
    given: Given


class Walk:
    """One run on its way: what is known so far can be told wherever it ends."""

    def __init__(
        self,
        plan: Plan,
        store: Store,
        reporter: Reporter,
        settings: WorkerSettings,
        *,
        chain: Chain | None = None,
        span: tuple[int, int] = (0, 100),
    ) -> None:
        """Set out.

        Args:
            plan: What to do.
            store: Reaches the model, the data sets and the output.
            reporter: Told how far the run is.
            settings: What the run may use.
            chain: The steps that are done here; None: all of the plan's.
            span: Percent of the whole run between which this walk is.
        """
        self.plan = plan
        self.store = store
        self.settings = settings
        self.chain = chain_of(plan, features()) if chain is None else chain
        self.whole = self.chain
        """Every step of the run, wherever it is done: the run's key is about them."""
        self.environment = environment(self.chain.kinds, settings.threads)
        self.meter = Meter(stages(self.chain), reporter, span)
        self.run_key = ""
        self.steps: Steps | None = None
        self.claim = ExitStack()
        self.start = time.monotonic()

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.monotonic() - self.start

    def go(self, space: Workspace, bench: Bench) -> Outcome:
        """Walk to the end."""
        begun = self.begin(space, bench)
        if isinstance(begun, Outcome):
            return begun
        inputs, given = begun.inputs, begun.given
        records = Records(self.store, self.plan.output.uri, self.plan.cache)
        self.steps = self.open(inputs, given, records, space, bench)
        for step in self.chain.steps:
            if step.aside:
                self.steps.try_aside(step.name)
            else:
                self.steps.finish(step.name)
        self.meter.begin(EVALUATE)
        result = self._settle(self.steps, bench)
        bench.close()  # nothing may touch what is published
        self.meter.begin(PUBLISH)
        return self.complete(given) or self._publish(self.steps, inputs, result)

    def begin(self, space: Workspace, bench: Bench) -> Outcome | Begun:
        """Fetch the inputs and claim the run's work; how it ended, where that is done already."""
        listing = self.look()
        notes = Notes(self.store, self.plan.output.uri, self.plan.cache)
        if complete := self.complete(notes.given(self.plan, listing)):
            return complete
        inputs = self.fetch(listing, space, bench)
        notes.keep(inputs)
        given = listing.given(self.plan, inputs.digests)
        if complete := self.complete(given) or self.claimed(given):
            return complete
        return Begun(inputs, given)

    def look(self) -> Listing:
        """Look at every input, before anything is done."""
        require_allowed(self.plan, self.settings)
        self.meter.begin(FETCH)
        return look(self.plan, self.store)

    def fetch(self, listing: Listing, space: Workspace, bench: Bench) -> Inputs:
        """Bring every input, once it is sure that the steps can be done here."""
        ends = {end.target for end in self.chain.ends}
        made = [target for target in self.plan.targets if target.name in ends]
        require_gpus(made, self.environment.gpu)
        bench.require(self._wanted())  # nobody should train for hours to learn it then
        return fetch(self.plan.model, listing, self.store, space, self.meter.advance)

    def open(
        self, inputs: Inputs, given: Given, records: Records, space: Workspace, bench: Bench
    ) -> Steps:
        """Open what was fetched: the steps stand on it."""
        self.meter.begin(OPEN)
        opened = open_inputs(self.plan, inputs, self.settings, space, bench)
        return Steps(
            self.chain,
            Ground(opened, given, self.settings.threads, self.settings.lean, self.environment.gpu),
            bench=bench,
            records=records,
            workspace=space,
            meter=self.meter,
        )

    def _wanted(self) -> Require:
        return Require(
            steps=tuple(
                Wanted(name=step.name, entry=step.entry, runtimes=step.runtimes)
                for step in self.chain.steps
                if not step.aside
            )
        )

    def complete(self, given: Given | None) -> Outcome | None:
        """How the run ended that has published the whole result already, if there was one."""
        if given is None:
            return None
        self.run_key = self.key_of(given)
        return self.published_before()

    def key_of(self, given: Given) -> str:
        """The run's key; a GPU counts where an engine is built on it."""
        built = any(step.is_built_here for step in self.chain.steps)
        gpu = self.environment.gpu if built else None
        return run_key(self.plan, given=given, chain=self.whole, gpu=gpu)

    def published_before(self) -> Outcome | None:
        """The same, once the run's key is known."""
        found = publish.find(self.store, Place(self.plan.output, self.run_key))
        return self.end(found, "Hit") if found else None

    def claimed(self, given: Given) -> Outcome | None:
        """Claim the work of the run; how it ended, where somebody else did it meanwhile."""
        place = Place(self.plan.output, self.run_key)
        self.hold(self.run_key, lambda: publish.find(self.store, place) is not None)
        return self.complete(given)

    def hold(self, key: str, is_done: Callable[[], bool]) -> None:
        """Claim the work that a key names, unless it is done meanwhile."""
        claims = Claims(self.store, self.plan, self.settings.pace)
        held = claims.held(key, is_done, tell=lambda said: self.meter.advance(1.0, said))
        self.claim.enter_context(held)

    def _settle(self, steps: Steps, bench: Bench) -> Result:
        """Measure what came out, and decide what is published of it."""
        evaluation = self.plan.evaluation
        if evaluation is None:
            return Result(judge(None, None), None)
        threads, progress = self.settings.threads, self.meter.advance
        return Measuring(evaluation, self.chain, steps, bench, threads, progress).settled()

    def _publish(self, steps: Steps, inputs: Inputs, result: Result) -> Outcome:
        verdict, measured = result.verdict, result.measured
        place = Place(self.plan.output, self.run_key, rejected=is_rejected(self.plan, verdict))
        finals = published(self.chain, steps, result)
        artifacts = publish.upload(self.store, place, finals, self.meter.advance)
        seconds = self.seconds
        report = Report(
            run_key=self.run_key,
            finished=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            seconds=seconds,
            plan=self.plan,
            inputs=inputs.told(),
            steps=steps.told(),
            targets=tuple(
                target_of(target, end, finals[end.target], result.stops.get(end.target))
                for target, end in zip(self.plan.targets, self.chain.ends, strict=True)
            ),
            artifacts=artifacts,
            measured=measured,
            gates=verdict,
            rolled_back={target: stop.step for target, stop in result.stops.items()},
            summary=summary(self.plan, measured.metrics if measured else (), seconds),
            environment=self.environment,
        )
        return self.end(publish.complete(self.store, place, report), "Miss")

    def end(self, manifest: Manifest, cache: Literal["Hit", "Miss"]) -> Outcome:
        """Point to what is published, and say that it is."""
        publish.point(self.store, self.plan.output, manifest)
        self.meter.finish("published" if cache == "Miss" else "the result was there already")
        return manifest.outcome(cache)

    def stopped(self, error: Stopped) -> Outcome:
        """How the run ended, when it got no further than this."""
        stage = self.meter.stage
        done = tuple(step.status() for step in self.steps.told()) if self.steps else ()
        is_step = any(step.name == stage for step in self.chain.steps)
        failed = (StepStatus(name=stage, state="Failed"),) if is_step else ()
        return outcome_of(
            error,
            step=stage,
            run_key=self.run_key or None,
            steps=(*(step for step in done if step.name != stage), *failed),
        )


def require_allowed(plan: Plan, settings: WorkerSettings) -> None:
    """Refuse what the administrator does not allow, as InvalidSpec."""
    if plan.model.format == "StateDict" and not settings.allow_state_dict:
        raise InvalidSpec(
            "spec.model.format: StateDict is not allowed here; store the model as Safetensors, or "
            "have it allowed"
        )


def is_rejected(plan: Plan, verdict: Verdict) -> bool:
    """Whether a result is kept from its consumers."""
    warns = plan.evaluation is None or plan.evaluation.on_failure == "Warn"
    return not warns and not verdict.passed


def _about(target: PlannedTarget, end: End, final: Artifact, stop: Stop | None) -> str:
    back = f"rolled back to what {stop.step} made" if stop else ""
    if final.format is Format.ARCHIVE:
        return PACKED
    if end.executed:
        return back
    about = OTHER_CPU if target.engine is None else NOT_EXECUTED
    return f"{back}; {about}" if back else about


def target_of(
    target: PlannedTarget, end: End, final: Artifact, stop: Stop | None = None
) -> TargetStatus:
    """What users read about a target; `stop` is the step that it was rolled back to."""
    facts = {name: str(fact) for name, fact in final.facts.items()}
    return TargetStatus(
        name=target.name,
        state="Succeeded",
        executed=end.executed,
        message=_about(target, end, final, stop),
        gpu_product=facts.get("gpu_product") or (target.gpu.product if target.gpu else None),
        compute_capability=facts.get("compute_capability"),
        tensorrt_version=facts.get("tensorrt_version"),
        cuda_version=facts.get("cuda_version"),
        driver_version=facts.get("driver_version"),
    )
