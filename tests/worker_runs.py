"""A run of the worker in a folder: storage with a model and data in it, and one word to run."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lathe_api.outcome import Outcome
from lathe_api.plan import Plan, plan_of
from lathe_api.v1alpha1.status import Progress
from lathe_worker.claims import Pace
from lathe_worker.local_store import LocalStore
from lathe_worker.newfile import digest_of
from lathe_worker.pipeline import run
from lathe_worker.settings import WorkerSettings
from lathe_worker.store import Store
from tests.builders import (
    DISTILL,
    EXPORT,
    PRUNE,
    QUANTIZE,
    SIMPLIFY,
    ResourceBuilder,
    a_resource,
    target,
)
from tests.fake_bench import FakeBench

OUTPUT = "artifacts/digits"
PACE = Pace(lease=0.2, beat=60.0, look=0.01)
"""Claims of runs that were killed are taken over soon; none is renewed."""
EVALUATION: dict[str, Any] = {
    "dataset": "val",
    "metrics": ["Top1", "SizeBytes"],
    "gates": [{"metric": "Top1", "maxDrop": 0.01}],
}


def a_run() -> ResourceBuilder:
    """Prune, distil, export; then int8 for the CPU, and an engine; measured and gated."""
    return (
        a_resource()
        .steps({"name": "halve", **PRUNE}, DISTILL, EXPORT)
        .targets(
            target("cpu", "ONNXRuntime", {"name": "int8", **QUANTIZE}),
            target("rtx", "TensorRTRTX", SIMPLIFY),
        )
        .with_(
            evaluation=EVALUATION,
            output={"uri": f"s3://{OUTPUT}/", "publish": {"pointer": "latest.json"}},
        )
    )


STEPS = [
    "Input/export",
    "halve",
    "distill",
    "export",
    "cpu/int8",
    "rtx/simplify",
    "rtx/buildEngine",
]
"""The steps of `a_run`, in order."""
ASIDE = "halve/Path/export"
"""What `a_run` makes besides, to measure what pruning left."""


@dataclass
class Told:
    """A reporter that remembers."""

    progress: list[Progress] = field(default_factory=list)

    def update(self, progress: Progress) -> None:
        self.progress.append(progress)


@dataclass
class Yard:
    """A folder with storage and a workspace, for runs with a fake bench."""

    path: Path
    told: Told = field(default_factory=Told)

    def __post_init__(self) -> None:
        self.put("models/digits/model.safetensors", b"weights")
        for name in ("train", "calib", "val"):
            self.put(f"data/{name}.npz", name.encode())

    @property
    def storage(self) -> Path:
        return self.path / "storage"

    @property
    def output(self) -> Path:
        return self.storage / OUTPUT

    @property
    def workspace(self) -> Path:
        return self.path / "workspace"

    def put(self, key: str, content: bytes) -> None:
        path = self.storage / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def plan(self, resource: ResourceBuilder) -> Plan:
        return plan_of(resource.parsed(), namespace="team", name=resource.name)

    def run(
        self,
        resource: ResourceBuilder | None = None,
        bench: FakeBench | None = None,
        *,
        store: Store | None = None,
        **settings: Any,
    ) -> Outcome:
        """Run a resource to its end."""
        return run(
            self.plan(resource or a_run()),
            store=store or LocalStore(self.storage),
            root=self.workspace,
            reporter=self.told,
            settings=WorkerSettings(threads=1, **{"pace": PACE, **settings}),
            bench=bench or FakeBench(),
        )

    def published(self, under: str = "") -> dict[str, bytes]:
        """Every published file but step records, by name below the output."""
        return {
            name: path.read_bytes()
            for path in (self.output / under).rglob("*")
            if path.is_file()
            and not (name := path.relative_to(self.output).as_posix()).startswith(".steps/")
        }

    def manifests(self) -> list[dict[str, Any]]:
        return [json.loads(path.read_bytes()) for path in self.output.rglob("manifest.json")]

    def assert_whole(self) -> None:
        """Whatever a manifest lists is there, with the digest that it says."""
        for path in self.output.rglob("manifest.json"):
            manifest = json.loads(path.read_bytes())
            for artifact in manifest["artifacts"]:
                file = self.storage / artifact["uri"].removeprefix("s3://")
                assert digest_of(file) == artifact["digest"]
            for report in manifest["reports"]:
                assert digest_of(path.parent / report["name"]) == report["digest"]
        for pointer in self.output.glob("latest.json"):
            uri = json.loads(pointer.read_bytes())["manifestURI"]
            assert (self.storage / uri.removeprefix("s3://")).is_file()
