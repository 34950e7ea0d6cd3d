"""The bench in child processes, which hold no credentials and take nothing along when they die."""

from collections.abc import Callable
from pathlib import Path
from typing import IO, TypeVar

from pydantic import TypeAdapter, ValidationError

from lathe_steps.base import Artifact, Parameters
from lathe_steps.errors import BadInput, Internal
from lathe_steps.reasons import Reason
from lathe_worker.bench import (
    ApplyStep,
    Measure,
    OpenDatasets,
    Opened,
    OpenModel,
    Progress,
)
from lathe_worker.errors import crashed_on, died
from lathe_worker.measured import Measured
from lathe_worker.sandbox import Child, Died, TookTooLong
from lathe_worker.settings import WorkerSettings

GIB = 1024**3
OPEN_MEMORY = 4 * GIB
"""Bytes that may be allocated to open a model, besides MEMORY_PER_BYTE for each of its bytes."""
MEMORY_PER_BYTE = 8
OPEN_FILE = GIB
"""Bytes of the largest file that opening may write, besides FILE_PER_BYTE for each of its bytes."""
FILE_PER_BYTE = 2

T = TypeVar("T")
_ARTIFACT = TypeAdapter(Artifact)


class SubprocessBench:
    """Runs every request in a child process.

    A model that nobody vouches for is opened in a child of its own, with limits. Another child
    does all the rest, so that toolchains are loaded once.
    """

    def __init__(self, settings: WorkerSettings, home: Path, log: IO[bytes] | None = None) -> None:
        """Start nothing yet.

        Args:
            settings: Threads, environment and timeouts.
            home: An empty directory, for what children write besides what they are asked for.
            log: Where the output of toolchains goes; without it, to standard error.
        """
        self._settings = settings
        self._home = home
        self._log = log
        self._worker: Child | None = None

    def open_model(self, request: OpenModel) -> Opened:
        """See `Bench.open_model`."""
        size = sum(file.stat().st_size for file in _files(request.source.path))
        timeout = self._settings.open_timeout
        limits = (
            OPEN_MEMORY + MEMORY_PER_BYTE * size,
            int(timeout * self._settings.threads),
            OPEN_FILE + FILE_PER_BYTE * size,
        )
        child = self._start("open", "--limits", *(str(most) for most in limits))
        try:
            answer = child.ask(request.model_dump_json(), timeout=timeout)
        except Died as error:
            raise crashed_on(error.returncode, request.uri, Reason.INVALID_MODEL) from None
        except TookTooLong:
            raise BadInput(
                f"{request.uri}: opening it takes longer than {timeout:.0f} s; replace the model",
                reason=Reason.INVALID_MODEL,
            ) from None
        finally:
            child.kill()
        opened = _trusted(Opened.model_validate_json, answer)
        return opened.model_copy(update={"artifact": _below(request.out, opened.artifact)})

    def open_datasets(self, request: OpenDatasets) -> None:
        """See `Bench.open_datasets`."""
        try:
            self._working().ask(request.model_dump_json())
        except Died as error:
            uris = ", ".join(each.ref.uri for each in request.datasets)
            raise crashed_on(error.returncode, uris, Reason.INVALID_DATASET) from None

    def apply(self, request: ApplyStep, progress: Progress) -> Artifact:
        """See `Bench.apply`."""
        answer = self._ask(request, f"step {request.name}", progress)
        return _below(request.out, _trusted(_ARTIFACT.validate_json, answer))

    def measure(self, request: Measure, progress: Progress) -> Measured:
        """See `Bench.measure`."""
        answer = self._ask(request, "the evaluation", progress)
        return _trusted(Measured.model_validate_json, answer)

    def close(self) -> None:
        """See `Bench.close`."""
        if self._worker is not None:
            self._worker.kill()
            self._worker = None

    def _ask(self, request: Parameters, doing: str, progress: Progress) -> str:
        try:
            return self._working().ask(request.model_dump_json(), progress=progress)
        except Died as error:
            raise died(error.returncode, doing) from None

    def _working(self) -> Child:
        """The child that keeps data sets open; it is started when it is first needed."""
        if self._worker is None:
            self._worker = self._start("work")
        return self._worker

    def _start(self, name: str, *arguments: str) -> Child:
        threads = str(self._settings.threads)
        home = self._home / name
        home.mkdir(exist_ok=True)
        return Child(
            ["-m", "lathe_worker.child", *arguments],
            home=home,
            environment={"OMP_NUM_THREADS": threads, **self._settings.environment},
            log=self._log,
        )


def _files(path: Path) -> tuple[Path, ...]:
    return tuple(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else (path,)


def _trusted(validate: Callable[[str], T], answer: str) -> T:
    """The answer as a value; a child that parses what is foreign may say anything."""
    try:
        return validate(answer)
    except ValidationError as error:
        raise Internal("a child process answered what nobody asked for") from error


def _below(out: Path, artifact: Artifact) -> Artifact:
    """The artifact, if it is where it should be."""
    inside = artifact.path.resolve().is_relative_to(out.resolve())
    names = (artifact.path / name for name in artifact.entry)
    if not (inside and artifact.entry and all(file.is_file() for file in names)):
        raise Internal(f"the step left no artifact under {out}")
    return artifact
