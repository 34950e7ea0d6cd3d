"""Finished steps, kept in storage so that no attempt and no later run has to do them again."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from lathe_api.v1alpha1.spec import Digest
from lathe_steps.base import Artifact, Format, Parameters
from lathe_steps.evidence import Evidence
from lathe_worker import digests
from lathe_worker.addresses import files_under
from lathe_worker.chain import PlannedStep
from lathe_worker.checkpoints import Checkpoint
from lathe_worker.kept import LIMIT, FileRecord, Mode, brought, sent, shelf
from lathe_worker.newfile import digest_of
from lathe_worker.store import Store

MARKER = "step.json"
"""The record itself. It is written last: where it is, the step's files are."""

log = logging.getLogger(__name__)

Facts = dict[str, float | int | str]


class StepRecord(Parameters):
    """What a finished step made."""

    protocol: Literal[1] = 1
    key: str
    """Digest of everything that went in."""
    name: str
    """How the run that made it called the step."""
    kind: str
    """The step, as users spell it."""
    format: Format
    """How the files are to be read."""
    entry: tuple[str, ...]
    """Files that a user loads; the first is the main one."""
    facts: Facts
    """What the step found out."""
    evidence: tuple[Evidence, ...] = ()
    """What figures of the report are drawn from."""
    files: tuple[FileRecord, ...]
    """All files."""
    seconds: float
    """How long the step took when it ran."""
    versions: dict[str, str]
    """Of the toolchains that it ran."""

    @property
    def digest(self) -> Digest:
        """Digest of the artifact."""
        return digests.of_files({file.name: file.digest for file in self.files})

    @property
    def bytes(self) -> int:
        """Size of the artifact."""
        return sum(file.bytes for file in self.files)


@dataclass(frozen=True, slots=True)
class Made:
    """What a step has just made.

    Attributes:
        artifact: Its files.
        seconds: How long it took.
        versions: Of the toolchains that it ran.
    """

    artifact: Artifact
    seconds: float
    versions: Mapping[str, str]


class Records:
    """The finished steps under one output's prefix."""

    def __init__(self, store: Store, output: str, mode: Mode, run: str | None = None) -> None:
        """Look in, and write to, `output`, a prefix that ends in '/'; see `kept.shelf`."""
        self._store = store
        self._shelf = shelf(output, mode, run)
        self._found: dict[str, str] = {}

    def checkpoint(self, key: str) -> Checkpoint:
        """How far the step with this key is, kept beside what it will make."""
        mode: Mode = "ReadWrite" if self._shelf.keeps else "Read" if self._shelf.reads else "Off"
        return Checkpoint(self._store, f"{self._shelf.home}{key}/", mode)

    def find(self, key: str) -> StepRecord | None:
        """Look for a finished step; what cannot be read as one is none."""
        for prefix in self._shelf.reads:
            if record := self._read(f"{prefix}{key}/{MARKER}", key):
                self._found[key] = prefix
                return record
        return None

    def _read(self, uri: str, key: str) -> StepRecord | None:
        if not self._store.exists(uri):
            return None
        try:
            record = StepRecord.model_validate_json(self._store.read_bytes(uri, limit=LIMIT))
        except ValidationError:
            log.warning("%s is no record of a step; the step is run again", uri)
            return None
        return record if record.key == key and _is_whole(record) else None

    def restore(self, record: StepRecord, into: Path) -> Artifact | None:
        """Bring a finished step's files into a folder; None when they are not what was kept."""
        prefix = self._found.get(record.key, self._shelf.home)
        if not brought(self._store, record.files, f"{prefix}{record.key}/", into):
            log.warning("step %s is run again", record.name)
            return None
        return Artifact(record.format, into, record.entry, record.facts, record.evidence)

    def commit(self, planned: PlannedStep, key: str, made: Made) -> StepRecord:
        """Take note of a finished step, and keep its files if the mode says so.

        The files are kept first and the record last, so a step that was interrupted is not found.
        """
        record = StepRecord(
            key=key,
            name=planned.name,
            kind=planned.kind,
            format=made.artifact.format,
            entry=made.artifact.entry,
            facts=dict(made.artifact.facts),
            evidence=made.artifact.evidence,
            files=self._keep(key, made.artifact.path),
            seconds=made.seconds,
            versions=dict(made.versions),
        )
        if self._shelf.keeps:
            document = record.model_dump_json(indent=1).encode()
            self._store.write_bytes(f"{self._shelf.home}{key}/{MARKER}", document)
        return record

    def _keep(self, key: str, folder: Path) -> tuple[FileRecord, ...]:
        if not self._shelf.keeps:
            return tuple(
                FileRecord(name=name, digest=digest_of(path), bytes=path.stat().st_size)
                for name, path in files_under(folder)
            )
        return sent(self._store, folder, f"{self._shelf.home}{key}/")


def _is_whole(record: StepRecord) -> bool:
    """Whether a record names what a user loads, and all of that is among its files."""
    return bool(record.entry) and {*record.entry} <= {file.name for file in record.files}
