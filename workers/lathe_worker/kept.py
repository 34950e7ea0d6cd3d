"""Folders of files that are kept under an output's prefix, and found whole or not at all."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from lathe_api.v1alpha1.spec import Digest
from lathe_steps.base import Parameters
from lathe_steps.errors import BadInput
from lathe_steps.reasons import Reason
from lathe_worker.addresses import places
from lathe_worker.store import Store

FOLDER = ".steps/"
"""Under the output's prefix: one folder per finished step, named by its key."""
RUNS = "runs/"
"""Below it: what the stages of one run leave to each other."""
LIMIT = 1024 * 1024
"""Most bytes of a record of what is kept."""
DAMAGED = frozenset({Reason.OBJECT_NOT_FOUND, Reason.DIGEST_MISMATCH, Reason.UNSAFE_OBJECT_NAME})
"""Why a kept artifact is not the one of its record."""

log = logging.getLogger(__name__)

Mode = Literal["Off", "Read", "ReadWrite"]


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where finished work is looked for, and where it is kept.

    Attributes:
        reads: Prefixes that it is looked for under, in this order.
        home: The prefix that it is kept under.
        keeps: Whether it is kept at all.
    """

    reads: tuple[str, ...]
    home: str
    keeps: bool


def shelf(output: str, mode: Mode, run: str | None = None) -> Shelf:
    """The shelf under an output's prefix.

    Args:
        output: The prefix, which ends in '/'.
        mode: Whether the user wants finished work to be taken up, and kept.
        run: Names a run of several stages: whatever the mode, one stage takes up there what the
            one before has kept. With another mode than ReadWrite, no other run looks there.
    """
    shared = f"{output}{FOLDER}"
    if mode == "ReadWrite":
        return Shelf((shared,), shared, keeps=True)
    others = (shared,) if mode == "Read" else ()
    if run is None:
        return Shelf(others, shared, keeps=False)
    home = f"{shared}{RUNS}{run}/"
    return Shelf((home, *others), home, keeps=True)


class FileRecord(Parameters):
    """One file of an artifact."""

    name: Annotated[str, Field(min_length=1)]
    """Relative to the artifact's folder."""
    digest: Digest
    """Of its content."""
    bytes: int
    """Its size."""


def sent(store: Store, folder: Path, prefix: str) -> tuple[FileRecord, ...]:
    """Copy every file below a folder to a prefix, and write down what they are."""
    return tuple(
        FileRecord(
            name=one.path.relative_to(folder).as_posix(), digest=one.digest, bytes=one.object.size
        )
        for one in store.upload_all(folder, prefix)
    )


def brought(store: Store, files: Sequence[FileRecord], prefix: str, into: Path) -> bool:
    """Copy files back into a folder; False when they are not what was written down any more."""
    try:
        for file, path in zip(files, places(into, [file.name for file in files]), strict=True):
            store.download(f"{prefix}{file.name}", path, expect=file.digest)
    except BadInput as stopped:
        if stopped.reason not in DAMAGED:
            raise
        log.warning("%s", stopped.message)
        return False
    return True
