"""How far a step is that takes long, kept in storage so that a killed attempt loses little."""

import logging
import shutil
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from lathe_steps.base import Parameters
from lathe_worker.kept import LIMIT, FileRecord, Mode, brought, sent
from lathe_worker.store import Store

POINTER = "checkpoint.json"
"""Under the step's folder: says which of both slots holds the last one. It is written last."""
SLOTS: tuple[Literal["a", "b"], Literal["a", "b"]] = ("a", "b")
"""Two folders in turns: while one is written, the other one is whole."""

log = logging.getLogger(__name__)


class CheckpointRecord(Parameters):
    """What was saved last."""

    protocol: Literal[1] = 1
    slot: Literal["a", "b"]
    """The folder that holds it."""
    files: Annotated[tuple[FileRecord, ...], Field(min_length=1)]
    """Its files."""


class Checkpoint:
    """The checkpoint of one step."""

    def __init__(self, store: Store, folder: str, mode: Mode) -> None:
        """Look in, and write to, a prefix that ends in '/', as far as `mode` allows."""
        self._store = store
        self._folder = folder
        self._mode = mode
        self._kept: CheckpointRecord | None = None

    def restore(self, into: Path) -> Path | None:
        """Bring what was saved last into an empty folder; None when there is nothing whole."""
        self._kept = self._find()
        if self._kept is None:
            return None
        prefix = self._prefix(self._kept.slot)
        if not brought(self._store, self._kept.files, prefix, into):
            self._kept = None
            return None
        return into

    def keep(self, folder: Path) -> None:
        """Keep a folder instead of what was kept before, and take it away."""
        if self._mode == "ReadWrite":
            first, second = SLOTS
            slot = second if self._kept and self._kept.slot == first else first
            files = sent(self._store, folder, self._prefix(slot))
            self._kept = CheckpointRecord(slot=slot, files=files)
            document = self._kept.model_dump_json(indent=1).encode()
            self._store.write_bytes(f"{self._folder}{POINTER}", document)
        shutil.rmtree(folder)

    def _prefix(self, slot: str) -> str:
        return f"{self._folder}checkpoint-{slot}/"

    def _find(self) -> CheckpointRecord | None:
        uri = f"{self._folder}{POINTER}"
        if self._mode == "Off" or not self._store.exists(uri):
            return None
        try:
            return CheckpointRecord.model_validate_json(self._store.read_bytes(uri, limit=LIMIT))
        except ValidationError:
            log.warning("%s is no record of a checkpoint; the step begins anew", uri)
            return None
