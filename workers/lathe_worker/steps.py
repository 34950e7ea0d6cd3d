"""Finishing steps: taken up again where they were finished before, and run where not."""

import logging
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from lathe_steps.base import Artifact
from lathe_steps.errors import Internal
from lathe_steps.reasons import Reason
from lathe_steps.toolchains.versions import versions
from lathe_worker.bench import ApplyStep, Bench, Opened
from lathe_worker.chain import Chain, PlannedStep, Stop
from lathe_worker.digests import Given, step_key
from lathe_worker.manifest import ManifestStep
from lathe_worker.measured import Passed
from lathe_worker.progress import Meter
from lathe_worker.records import Made, Records, StepRecord
from lathe_worker.workspace import Workspace

MOST_FACTS = 32
NOT_FOR_THIS_MODEL = frozenset(
    {Reason.UNSUPPORTED_MODEL, Reason.CONVERSION_MISMATCH, Reason.INTERNAL_ERROR}
)
"""Why a toolchain cannot do a step; INTERNAL_ERROR is an exception that it raised itself."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ground:
    """What every step of a run stands on.

    Attributes:
        opened: The input model, checked.
        given: The same and the data sets, as digests.
        threads: CPU threads to use.
        lean: Whether steps are to need less memory.
        gpu: What there is to know about the GPU here; None where there is none.
    """

    opened: Opened
    given: Given
    threads: int
    lean: bool = False
    gpu: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """A step that is done.

    Attributes:
        record: What it made.
        cache: Hit when it was taken up from an earlier attempt or run.
        artifact: Its files, once they are in the workspace.
    """

    record: StepRecord
    cache: Literal["Hit", "Miss"]
    artifact: Artifact | None

    def told(self, name: str) -> ManifestStep:
        """What is written down about it."""
        record = self.record
        numbers = {k: float(v) for k, v in record.facts.items() if not isinstance(v, str)}
        return ManifestStep(
            name=name,
            state="Succeeded",
            seconds=round(record.seconds, 3),
            cache=self.cache,
            metrics=dict(sorted(numbers.items())[:MOST_FACTS]),
            kind=record.kind,
            key=record.key,
            digest=record.digest,
            bytes=record.bytes,
            facts=record.facts,
            evidence=record.evidence,
        )


class Steps:
    """Every step of a run, each finished when it is first asked for, and only once.

    What a step makes is named by what goes in, so a chain is followed from its beginning by
    records alone; files are brought only where a step has to run, or for the result.
    """

    def __init__(
        self,
        chain: Chain,
        ground: Ground,
        *,
        bench: Bench,
        records: Records,
        workspace: Workspace,
        meter: Meter,
    ) -> None:
        self._planned: Mapping[str, PlannedStep] = {step.name: step for step in chain.steps}
        self._results = chain.results
        self._ground = ground
        self._bench = bench
        self._records = records
        self._workspace = workspace
        self._meter = meter
        self._done: dict[str, Finished] = {}
        self._lost: set[str] = set()

    def told(self) -> tuple[ManifestStep, ...]:
        """What is written down about the steps that are done, in the order of the plan."""
        return tuple(
            self._done[name].told(name)
            for name, planned in self._planned.items()
            if name in self._done and not planned.aside
        )

    def finish(self, name: str) -> Finished:
        """Make sure that a step and those before it are done.

        Raises:
            Stopped: A step, storage or the workspace failed.
        """
        if name not in self._done:
            planned = self._planned[name]
            if planned.after is not None:
                self.finish(planned.after)
            self._begin(planned)
            if record := self._records.find(self._key(planned)):
                self._done[name] = Finished(record, "Hit", None)
            else:
                self._run(planned)
            self._release()
        return self._done[name]

    def artifact(self, name: str | None) -> Artifact:
        """The files of a step, which is finished first; those of the input model for None."""
        if name is None:
            return self._ground.opened.artifact
        done = self.finish(name)
        if done.artifact is not None:
            return done.artifact
        artifact = self._records.restore(done.record, self._workspace.fresh(f"restore-{name}"))
        if artifact is None:
            return self._run(self._planned[name])
        self._done[name] = replace(done, artifact=artifact)
        return artifact

    def try_aside(self, name: str) -> None:
        """Finish a step that is only measured, unless the toolchain cannot do it for this model.

        Raises:
            Stopped: For every other reason.
        """
        try:
            self.finish(name)
        except Internal as error:
            if error.reason not in NOT_FOR_THIS_MODEL:
                raise
            log.warning("%s: %s; it is left out of the path", name, error.message)
            self._lost.add(name)
            self._release()

    def made(self, stop: Stop) -> bool:
        """Whether there is a graph of what a step gave."""
        return stop.graph is not None and stop.graph not in self._lost

    def passed(self, stop: Stop) -> Passed | None:
        """What a finished step made, to be measured; None when no graph could be made of it."""
        if stop.graph in self._lost:
            return None
        graph = None if stop.graph is None else self.artifact(stop.graph)
        return Passed(stop.step, self._done[stop.step].record.bytes, graph, stop.clocked)

    def _begin(self, planned: PlannedStep) -> None:
        """Say what is done; what is only measured belongs to the step that it measures."""
        if planned.aside:
            self._meter.advance(1.0, "exporting, to measure it")
        else:
            self._meter.begin(planned.name)

    def _release(self) -> None:
        """Take files out of the workspace that neither a later step nor the result needs."""
        over = self._done.keys() | self._lost
        later = {step.after for step in self._planned.values() if step.name not in over}
        for name, done in self._done.items():
            if done.artifact is not None and name not in later | self._results:
                shutil.rmtree(done.artifact.path)
                self._done[name] = replace(done, artifact=None)

    def _key(self, planned: PlannedStep) -> str:
        after = planned.after
        return step_key(
            planned,
            artifact=self._done[after].record.digest if after else self._ground.given.model,
            given=self._ground.given,
            gpu=self._ground.gpu,
        )

    def _run(self, planned: PlannedStep) -> Artifact:
        """Run a step and commit what it made.

        The key is made of the files that the step really gets: what was kept of the step before
        may have been damaged, and was then made again.
        """
        before = self.artifact(planned.after)
        self._begin(planned)
        checkpoint = self._records.checkpoint(self._key(planned))
        resume = None
        if planned.step.checkpoints:
            resume = checkpoint.restore(self._workspace.fresh(f"resume-{planned.name}"))
        request = ApplyStep(
            name=planned.name,
            entry=planned.entry,
            artifact=before,
            source=self._ground.opened.artifact,
            inputs=self._ground.opened.inputs,
            out=self._workspace.fresh(planned.name),
            runtimes=planned.runtimes,
            seed=self._ground.given.seed,
            threads=self._ground.threads,
            lean=self._ground.lean,
            checkpoints=self._workspace.fresh(f"checkpoints-{planned.name}"),
            resume=resume,
        )
        start = time.monotonic()
        artifact = self._bench.apply(request, self._meter.advance, checkpoint.keep)
        made = Made(artifact, time.monotonic() - start, versions(planned.kind))
        record = self._records.commit(planned, self._key(planned), made)
        self._done[planned.name] = Finished(record, "Miss", artifact)
        return artifact
