"""What the stages of one run leave to each other, under the output's prefix and nowhere else."""

import logging
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import ValidationError

from lathe_api.v1alpha1.status import TargetStatus
from lathe_steps.base import Artifact, Format, Parameters
from lathe_worker.digests import of_document
from lathe_worker.environment import Environment
from lathe_worker.kept import FOLDER, RUNS, FileRecord, Mode, brought, sent, shelf
from lathe_worker.manifest import LIMIT, InputRecord, ManifestStep
from lathe_worker.measured import Measured
from lathe_worker.store import Store

SHARED = "shared.json"
"""What the first stage leaves: written last, when everything that it speaks of is there."""
RESULTS = "results/"
"""Results of targets, by content: a later run takes them up."""

log = logging.getLogger(__name__)

Left = TypeVar("Left", "Shared", "TargetResult")


class Shared(Parameters):
    """What the first stage leaves to the others."""

    protocol: Literal[1] = 1
    run_key: str
    """Digest of everything that decides the result."""
    isa: tuple[str, ...]
    """Features of the CPU that the common steps were done for: every stage lays out the plan by
    them, whatever its own CPU has, so that all of them mean the same steps."""
    inputs: tuple[InputRecord, ...]
    """The model, then the data sets, as they were fetched."""
    steps: tuple[ManifestStep, ...]
    """The common steps."""
    measured: Measured | None = None
    """What was measured on the way to what all targets share."""
    environment: Environment
    """Where it was done."""
    seconds: float
    """How long it took."""


class RolledBack(Parameters):
    """A target that went back to what an earlier step had made."""

    step: str
    """The step."""
    message: str
    """Why."""


class TargetResult(Parameters):
    """What a stage leaves of a target."""

    protocol: Literal[1] = 1
    target: TargetStatus
    """How it ended, and where it was made."""
    folder: str | None = None
    """Prefix of its files; None for a target that failed."""
    format: Format | None = None
    """How they are to be read."""
    entry: tuple[str, ...] = ()
    """Those that a user loads."""
    files: tuple[FileRecord, ...] = ()
    """All of them."""
    steps: tuple[ManifestStep, ...] = ()
    """Its own steps."""
    measured: Measured | None = None
    """What was measured of it, and on its own way."""
    rolled_back: RolledBack | None = None
    """Set when an earlier step's result is published instead."""
    environment: Environment
    """Where it was made."""
    seconds: float
    """How long the stage took."""

    @property
    def succeeded(self) -> bool:
        """Whether there is something to publish."""
        return self.target.state == "Succeeded"


class Handover:
    """What was left under one output's prefix by the stages of one run."""

    def __init__(self, store: Store, output: str, mode: Mode, run: str) -> None:
        """Look in, and write to, `output` for the run of that name; see `kept.shelf`."""
        self._store = store
        self._shelf = shelf(output, mode, run)
        self._run = f"{output}{FOLDER}{RUNS}{run}/"

    def shared(self) -> Shared | None:
        """What the first stage left."""
        return self._read(f"{self._run}{SHARED}", Shared)

    def share(self, shared: Shared) -> None:
        """Leave it."""
        self._write(f"{self._run}{SHARED}", shared)

    def result(self, target: str) -> TargetResult | None:
        """What a stage of this run left of a target."""
        return self._read(f"{self._run}{target}.json", TargetResult)

    def leave(self, result: TargetResult) -> None:
        """Leave what became of a target to the last stage."""
        self._write(f"{self._run}{result.target.name}.json", result)

    def made_before(self, key: str) -> TargetResult | None:
        """The result with this key, of this run or of another one."""
        uris = (f"{prefix}{RESULTS}{key}/result.json" for prefix in self._shelf.reads)
        return next(filter(None, (self._read(uri, TargetResult) for uri in uris)), None)

    def keep(self, key: str, artifact: Artifact, result: TargetResult) -> TargetResult:
        """Keep the files of a result; it is told of only by `leave` and `offer`."""
        folder = f"{self._shelf.home}{RESULTS}{key}/files/"
        update = {
            "folder": folder,
            "format": artifact.format,
            "entry": artifact.entry,
            "files": sent(self._store, artifact.path, folder),
        }
        return result.model_copy(update=update)

    def offer(self, key: str, result: TargetResult) -> None:
        """Let other runs take it up."""
        self._write(f"{self._shelf.home}{RESULTS}{key}/result.json", result)

    def bring(self, result: TargetResult, into: Path) -> Artifact | None:
        """Bring the files of a result into a folder; None when they are not what was kept."""
        if result.folder is None or result.format is None:
            return None
        if not brought(self._store, result.files, result.folder, into):
            return None
        return Artifact(result.format, into, result.entry)

    def _read(self, uri: str, kind: type[Left]) -> Left | None:
        if not self._store.exists(uri):
            return None
        try:
            return kind.model_validate_json(self._store.read_bytes(uri, limit=LIMIT))
        except ValidationError:
            log.warning("%s cannot be read, and counts as missing", uri)
            return None

    def _write(self, uri: str, left: Parameters) -> None:
        self._store.write_bytes(uri, left.model_dump_json(indent=1, exclude_none=True).encode())


def result_key(run_key: str, target: str, environment: Environment) -> str:
    """Name a target's result: the GPU that it was made on counts, with its driver."""
    return of_document({"run": run_key, "target": target, "gpu": environment.gpu})
