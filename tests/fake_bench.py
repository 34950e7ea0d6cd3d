"""A bench without toolchains: models are small files of text, and steps say what went in."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lathe_api.v1alpha1.evaluation import Metric
from lathe_api.v1alpha1.status import MetricStatus
from lathe_steps.base import Artifact, Format, TensorSpec
from lathe_steps.build_engine import BuildEngine
from lathe_steps.errors import BadInput, InvalidSpec
from lathe_steps.evidence import Curve
from lathe_worker.bench import (
    ApplyStep,
    Keep,
    Measure,
    OpenDatasets,
    Opened,
    OpenModel,
    Progress,
    Require,
)
from lathe_worker.measured import Measured, Passed, Waypoint
from lathe_worker.settings import WorkerSettings

GARBAGE = b"garbage"
FILES = {
    Format.TORCH: ("model.safetensors", "architecture.json"),
    Format.ONNX: ("model.onnx",),
    Format.ENGINE: ("model.engine",),
    Format.ARCHIVE: ("model.lathe",),
}
INPUTS = (TensorSpec("x", "float32", ("batch", 1, 8, 8)),)


@dataclass
class FakeBench:
    """Does everything at once, and remembers what it was asked for.

    Attributes:
        applied: Names of the steps that ran.
        resumed: What steps with checkpoints found of an earlier attempt.
        stops: What is raised at a step instead.
        ratio: Size and latency of every result over the input's.
        drop: By how much the quality of every result fell.
        drops: The same for what single steps made.
        passed: What was measured on the way.
        random: Makes the results of a bench differ from another's, as training may.
    """

    applied: list[str] = field(default_factory=list)
    resumed: dict[str, str] = field(default_factory=dict)
    stops: Mapping[str, BaseException] = field(default_factory=dict)
    ratio: float = 0.5
    drop: float = 0.0
    drops: Mapping[str, float] = field(default_factory=dict)
    random: str = ""
    closed: bool = False
    passed: tuple[Passed, ...] = ()
    _samples: dict[str, str] = field(default_factory=dict)

    def __call__(self, _settings: WorkerSettings, _home: Path) -> "FakeBench":
        """Be opened by a run."""
        return self

    def require(self, request: Require) -> None:
        for wanted in request.steps:
            if isinstance(stop := self.stops.get(wanted.name), InvalidSpec):
                raise stop

    def open_model(self, request: OpenModel) -> Opened:
        files = [request.source.path]
        if request.source.path.is_dir():
            files = sorted(file for file in request.source.path.rglob("*") if file.is_file())
        content = b"".join(file.read_bytes() for file in files)
        if content == GARBAGE:
            raise BadInput(f"{request.uri}: it is garbage")
        is_onnx = request.source.format == "ONNX"
        artifact = _written(request.out, Format.ONNX if is_onnx else Format.TORCH, content.hex())
        return Opened(artifact=artifact, inputs=request.source.inputs or INPUTS)

    def open_datasets(self, request: OpenDatasets) -> None:
        for each in request.datasets:
            files = sorted(each.file.rglob("*")) if each.file.is_dir() else [each.file]
            self._samples[each.ref.name] = "".join(file.read_text() for file in files)
            (each.scratch / "0.npy").write_bytes(b"")

    def apply(self, request: ApplyStep, progress: Progress, keep: Keep) -> Artifact:
        progress(0.5, "half of it")
        step = request.entry if isinstance(request.entry, BuildEngine) else request.entry.step
        if step.checkpoints:
            found = (request.resume / "half").read_text() if request.resume else ""
            self.resumed[request.name] = found
            (request.checkpoints / "half").write_text(f"{found}half of {request.name};")
            keep(request.checkpoints)
        if stop := self.stops.get(request.name):
            raise stop
        self.applied.append(request.name)
        samples = [self._samples[name] for name in step.dataset_names()]
        went_in = (
            f"{request.artifact.main.read_text()} {step.model_dump_json()} {samples} "
            f"{request.seed} {self.random}"
        )
        progress(1.0, "all of it")
        content = hashlib.sha256(went_in.encode()).hexdigest()
        facts: dict[str, float | int | str] = {"params": 100.0, "note": "a word"}
        return _written(request.out, step.gives(request.artifact.format), content, facts)

    def measure(self, request: Measure, progress: Progress) -> Measured:
        progress(1.0, "measured")
        self.passed = request.path
        gates = (gate.metric for gate in request.evaluation.gates)
        wanted = dict.fromkeys((*request.evaluation.metrics, *gates))
        metrics = (
            self._metric(name, candidate.target, self._drop(candidate.executable))
            for candidate in request.candidates
            for name in wanted
            if candidate.executed or name is not Metric.LATENCY_P50
        )
        return Measured(
            dataset=request.evaluation.dataset,
            samples=1000,
            metrics=tuple(metrics),
            path=tuple(self._waypoint(passed) for passed in request.path),
            threads=request.threads,
        )

    def close(self) -> None:
        self.closed = True

    def _drop(self, graph: Artifact) -> float:
        return self.drops.get(graph.path.name.partition("-")[2], self.drop)

    def _waypoint(self, passed: Passed) -> Waypoint:
        names = (Metric.TOP1, Metric.SIZE_BYTES) if passed.graph else (Metric.SIZE_BYTES,)
        metrics = tuple(self._metric(name, passed.step, self.drop) for name in names)
        return Waypoint(step=passed.step, metrics=metrics)

    def _metric(self, name: Metric, target: str, drop: float) -> MetricStatus:
        if name in {Metric.TOP1, Metric.ARGMAX_AGREEMENT}:
            return MetricStatus(
                name=name,
                target=target,
                input=1.0,
                output=1.0 - drop,
                delta=-drop,
                low=-drop,
                high=-drop,
                samples=1000,
            )
        return MetricStatus(
            name=name, target=target, input=100.0, output=100.0 * self.ratio, ratio=self.ratio
        )


def _written(
    out: Path, form: Format, content: str, facts: Mapping[str, float | int | str] | None = None
) -> Artifact:
    for name in FILES[form]:
        (out / name).write_text(content)
    evidence = (Curve("loss", "batch", ((1.0, 2.0), (2.0, 1.0))),) if facts else ()
    return Artifact(form, out, FILES[form][:1], facts or {}, evidence)
