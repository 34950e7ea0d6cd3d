"""What happens in the child: requests of the bench, carried out with the toolchains."""

import math
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter

from lathe_steps.base import Artifact, Context, Dataset, Step
from lathe_steps.errors import BadInput, Internal, Stopped
from lathe_steps.reasons import Reason
from lathe_steps.toolchains.source import inputs_of, open_source
from lathe_worker.apart import Died, apart
from lathe_worker.bench import ApplyStep, Measure, OpenDatasets, Opened, OpenModel, Require
from lathe_worker.comparison import Comparison
from lathe_worker.datasets import open_dataset, require_apart
from lathe_worker.errors import classify, crashed_on, disk_full, first_line, is_full
from lathe_worker.evaluate import measure
from lathe_worker.lean import leaner
from lathe_worker.measured import Measured

Progress = Callable[[float, str], None]
Saved = Callable[[Path], None]

PARSERS = {
    "ONNX": "lathe_steps.toolchains.graphs.untrusted",
    "Safetensors": "lathe_steps.toolchains.networks.models.untrusted",
    "StateDict": "lathe_steps.toolchains.networks.models.untrusted",
}
"""What reads a model, by its format."""

Request = Require | OpenModel | OpenDatasets | ApplyStep | Measure
_REQUEST: TypeAdapter[Request] = TypeAdapter(Annotated[Request, Field(discriminator="command")])
_ANSWER: TypeAdapter[Opened | Artifact | Measured | None] = TypeAdapter(
    Opened | Artifact | Measured | None
)


class Workbench:
    """Carries out one request after the other, and keeps data sets open between them."""

    def __init__(self) -> None:
        self._datasets: dict[str, Dataset] = {}

    def handle(self, request: str, progress: Progress, saved: Saved) -> str:
        """Carry out a request; both it and the answer are JSON."""
        answer = self._do(_REQUEST.validate_json(request), progress, saved)
        return _ANSWER.dump_json(answer).decode()

    def _do(
        self, request: Request, progress: Progress, saved: Saved
    ) -> Opened | Artifact | Measured | None:
        match request:
            case Require():
                require(request)
                return None
            case OpenModel():
                return open_model(request)
            case OpenDatasets():
                self._open_datasets(request)
                return None
            case ApplyStep():
                return self._apply(request, progress, saved)
            case Measure():
                return self._measure(request, progress)

    def _open_datasets(self, request: OpenDatasets) -> None:
        opened = {
            each.ref.name: open_dataset(each.ref, each.file, each.scratch, request.inputs)
            for each in request.datasets
        }
        if request.evaluated is not None:
            seen = [it for name, it in opened.items() if name != request.evaluated]
            require_apart(opened[request.evaluated], seen)
        self._datasets = {
            name: leaner(it, request.inputs) if request.lean else it for name, it in opened.items()
        }

    def _apply(self, request: ApplyStep, progress: Progress, saved: Saved) -> Artifact:
        step = request.entry if isinstance(request.entry, Step) else request.entry.step
        context = Context(
            out=request.out,
            inputs=request.inputs,
            datasets=self._datasets,
            source=request.source,
            runtimes=request.runtimes,
            seed=request.seed,
            threads=request.threads,
            progress=progress,
            lean=request.lean,
            checkpoints=Folders(request.checkpoints, request.resume, saved),
        )
        try:
            return _finite(step.apply(request.artifact, context))
        except Exception as error:
            raise why(error, request) from error

    def _measure(self, request: Measure, progress: Progress) -> Measured:
        run = Comparison(
            evaluation=request.evaluation,
            source=request.source,
            baseline=request.baseline,
            candidates=request.candidates,
            dataset=self._datasets[request.evaluation.dataset],
            threads=request.threads,
            path=request.path,
        )
        return measure(run, progress)


class Folders:
    """Checkpoints as folders: each in one of its own, since the parent may still read the last."""

    def __init__(self, root: Path, resume: Path | None, saved: Saved) -> None:
        self._root = root
        self._latest = resume
        self._saved = saved
        self._count = 0

    def latest(self) -> Path | None:
        """See `lathe_steps.base.Checkpoints.latest`."""
        return self._latest

    def save(self, write: Callable[[Path], None]) -> None:
        """See `lathe_steps.base.Checkpoints.save`."""
        self._count += 1
        folder = self._root / str(self._count)
        folder.mkdir()
        write(folder)
        self._saved(folder)


def require(request: Require) -> None:
    """Look whether steps can be done here.

    Raises:
        InvalidSpec: The first that cannot, by its name.
    """
    for wanted in request.steps:
        step = wanted.entry if isinstance(wanted.entry, Step) else wanted.entry.step
        step.require(wanted.runtimes)


def why(error: Exception, request: ApplyStep) -> Stopped:
    """What the run ends with when a step fails."""
    stopped = classify(error)
    if stopped is error:
        return stopped
    if stopped.reason is Reason.DISK_FULL or is_full(request.out.parent):
        return disk_full(request.out)
    if stopped.reason is Reason.INTERNAL_ERROR:
        return Internal(f"step {request.name}: {stopped.message}")
    return stopped


def open_model(request: OpenModel) -> Opened:
    """Check a model that nobody vouches for, in a process of its own.

    Raises:
        BadInput: It is not what it should be; whatever the parsers do not expect is taken as that.
        Transient: DiskFull.
    """
    import_module(PARSERS[request.source.format])  # once, for the other process and for this one
    try:
        answer = apart(lambda: _opened(request).model_dump_json(), request.limits)
    except Died as error:
        if is_full(request.out):
            raise disk_full(request.out) from None
        raise crashed_on(error.returncode, request.uri, Reason.INVALID_MODEL) from None
    return Opened.model_validate_json(answer)


def _opened(request: OpenModel) -> Opened:
    try:
        artifact = open_source(request.source, request.out)
        return Opened(artifact=_finite(artifact), inputs=inputs_of(artifact))
    except Stopped as stopped:
        if not isinstance(stopped, BadInput):
            raise
        raise BadInput(located(request, stopped.message), reason=stopped.reason) from stopped
    except Exception as error:
        raise _unreadable(request, error) from error


def _unreadable(request: OpenModel, error: Exception) -> Stopped:
    """What the run ends with when a parser fails in a way that nobody expected."""
    if classify(error).reason is Reason.DISK_FULL or is_full(request.out):
        return disk_full(request.out)
    if isinstance(error, MemoryError):
        said = "opening it takes more memory than a model of its size should"
    else:
        said = f"it cannot be read ({type(error).__name__}: {first_line(error)})"
    return BadInput(f"{request.uri}: {said}; replace it")


def located(request: OpenModel, message: str) -> str:
    """A message about a file of the model, such as "model.onnx: …", with the object's address."""
    file, colon, rest = message.partition(": ")
    folder = request.source.path if request.uri.endswith("/") else request.source.path.parent
    if colon and (folder / file).is_file():
        return f"{request.uri.rpartition('/')[0]}/{file}: {rest}"
    return f"{request.uri}: {message}"


def _finite(artifact: Artifact) -> Artifact:
    """The artifact without facts that are no numbers, which JSON cannot say."""
    facts = {
        name: fact
        for name, fact in artifact.facts.items()
        if not isinstance(fact, float) or math.isfinite(fact)
    }
    return replace(artifact, facts=facts)
