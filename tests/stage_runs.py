"""A run of several stages in a folder: what the operator does with Jobs, by hand."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lathe_api.outcome import Outcome
from lathe_api.stages import stages_of
from lathe_worker.local_store import LocalStore
from lathe_worker.settings import WorkerSettings
from lathe_worker.stage_runs import part_named, run_stage
from lathe_worker.stage_walk import World
from lathe_worker.store import Store
from tests.builders import DISTILL, EXPORT, PRUNE, QUANTIZE, ResourceBuilder, a_resource, target
from tests.fake_bench import FakeBench
from tests.worker_runs import EVALUATION, OUTPUT, Yard

OLD, NEW = "avx2", "avx512_vnni"
"""Two kinds of CPU."""


def a_staged_run() -> ResourceBuilder:
    """Prune, distil, export; then int8 for two kinds of CPU, and an engine anywhere."""
    return (
        a_resource()
        .steps({"name": "halve", **PRUNE}, DISTILL, EXPORT)
        .targets(
            target("old", "ONNXRuntime", {"name": "int8", **QUANTIZE}, cpu={"isa": [OLD]}),
            target("new", "ONNXRuntime", {"name": "int8", **QUANTIZE}, cpu={"isa": [NEW]}),
            target("rtx", "TensorRTRTX"),
        )
        .with_(
            evaluation=EVALUATION,
            output={"uri": f"s3://{OUTPUT}/", "publish": {"pointer": "latest.json"}},
        )
    )


@dataclass
class StagedYard(Yard):
    """A yard whose runs go stage by stage.

    Attributes:
        run_name: The run that goes on; another name is another run.
        applied: What each stage's bench was asked for, by stage.
    """

    run_name: str = "digits-0123abcd"
    applied: dict[str, list[str]] = field(default_factory=dict)

    def stage(
        self,
        name: str,
        resource: ResourceBuilder | None = None,
        bench: FakeBench | None = None,
        *,
        store: Store | None = None,
    ) -> Outcome:
        """Do one stage."""
        plan, bench = self.plan(resource or a_staged_run()), bench or FakeBench()
        part = part_named(plan, self.run_name, name)
        world = World(
            plan,
            part,
            store or LocalStore(self.storage),
            self.told,
            WorkerSettings(threads=1),
        )
        outcome = run_stage(world, root=self.workspace, bench=bench)
        self.applied[name] = bench.applied
        return outcome

    def stages(
        self, resource: ResourceBuilder | None = None, **benches: FakeBench
    ) -> dict[str, Outcome]:
        """Do all stages, whatever becomes of each."""
        plan = self.plan(resource or a_staged_run())
        return {
            stage.name: self.stage(stage.name, resource, benches.get(stage.name))
            for stage in stages_of(plan)
        }

    def kept(self) -> set[str]:
        """The folders right below `.steps/`."""
        return {path.name for path in (self.output / ".steps").iterdir()}


def a_yard(path: Path, **known: Any) -> StagedYard:
    """A yard in a folder."""
    return StagedYard(path, **known)
