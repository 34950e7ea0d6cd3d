"""The bench in child processes, which hold no credentials and take nothing along when they die."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from lathe_steps.base import Artifact, Parameters
from lathe_steps.errors import BadInput, Internal
from lathe_steps.reasons import Reason
from lathe_worker.apart import Died
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
from lathe_worker.errors import crashed_on, died
from lathe_worker.measured import Measured
from lathe_worker.sandbox import Child, TookTooLong
from lathe_worker.settings import WorkerSettings

log = logging.getLogger(__name__)

T = TypeVar("T")
_ARTIFACT = TypeAdapter(Artifact)


class SubprocessBench:
    """Runs requests in one child process, which is started for the first of them."""

    def __init__(self, settings: WorkerSettings, home: Path) -> None:
        """Start nothing yet.

        Args:
            settings: Threads, environment, timeouts, and where toolchains print to.
            home: An empty directory, for what toolchains write besides what they are asked for.
        """
        self._settings = settings
        self._home = home
        self._child: Child | None = None

    def require(self, request: Require) -> None:
        """See `Bench.require`."""
        names = ", ".join(step.name for step in request.steps)
        try:
            self._started().ask(request.model_dump_json())
        except Died as error:
            raise died(error.returncode, f"looking for the toolchains of {names}") from None

    def open_model(self, request: OpenModel) -> Opened:
        """See `Bench.open_model`."""
        timeout = self._settings.open_timeout
        try:
            answer = self._started().ask(request.model_dump_json(), timeout=timeout)
        except Died as error:
            raise died(error.returncode, f"opening {request.uri}") from None
        except TookTooLong:
            raise BadInput(
                f"{request.uri}: opening it takes longer than {timeout:.0f} s; replace the model"
            ) from None
        opened = _trusted(Opened.model_validate_json, answer)
        return opened.model_copy(update={"artifact": _below(request.out, opened.artifact)})

    def open_datasets(self, request: OpenDatasets) -> None:
        """See `Bench.open_datasets`."""
        try:
            self._started().ask(request.model_dump_json())
        except Died as error:
            uris = ", ".join(each.ref.uri for each in request.datasets)
            raise crashed_on(error.returncode, uris, Reason.INVALID_DATASET) from None

    def apply(self, request: ApplyStep, progress: Progress, keep: Keep) -> Artifact:
        """See `Bench.apply`."""

        def keep_below(folder: Path) -> None:
            keep(_inside(request.checkpoints, folder))

        answer = self._ask(request, f"step {request.name}", progress, keep_below)
        return _below(request.out, _trusted(_ARTIFACT.validate_json, answer))

    def measure(self, request: Measure, progress: Progress) -> Measured:
        """See `Bench.measure`."""
        answer = self._ask(request, "the evaluation", progress)
        return _trusted(Measured.model_validate_json, answer)

    def close(self) -> None:
        """See `Bench.close`."""
        if self._child is not None:
            self._child.kill()
            self._child = None

    def _ask(
        self, request: Parameters, doing: str, progress: Progress, keep: Keep | None = None
    ) -> str:
        try:
            return self._started().ask(request.model_dump_json(), progress=progress, keep=keep)
        except Died as error:
            raise died(error.returncode, doing) from None

    def _started(self) -> Child:
        if self._child is None:
            threads = str(self._settings.threads)
            self._child = Child(
                ["-m", "lathe_worker.child", logging.getLevelName(log.getEffectiveLevel())],
                home=self._home,
                # threads that wait must not spin: on a busy machine that takes 4x the time
                environment={
                    "OMP_NUM_THREADS": threads,
                    "OMP_WAIT_POLICY": "PASSIVE",
                    **self._settings.environment,
                },
                output=self._settings.output,
            )
        return self._child


def _trusted(validate: Callable[[str], T], answer: str) -> T:
    """The answer as a value; a child that parses what is foreign may say anything."""
    try:
        return validate(answer)
    except ValidationError as error:
        raise Internal("a child process answered what nobody asked for") from error


def _below(out: Path, artifact: Artifact) -> Artifact:
    """The artifact, if it is where it should be."""
    names = (_inside(out, artifact.path) / name for name in artifact.entry)
    if not (artifact.entry and all(file.is_file() for file in names)):
        raise Internal(f"the step left no artifact under {out}")
    return artifact


def _inside(folder: Path, path: Path) -> Path:
    """The path, if it lies in the folder: a child that parses what is foreign may say anything."""
    if not path.resolve().is_relative_to(folder.resolve()):
        raise Internal(f"the step speaks of {path}, which is not under {folder}")
    return path
