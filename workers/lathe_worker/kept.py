"""Folders of files that are kept under an output's prefix, and found whole or not at all."""

import logging
from collections.abc import Sequence
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
LIMIT = 1024 * 1024
"""Most bytes of a record of what is kept."""
DAMAGED = frozenset({Reason.OBJECT_NOT_FOUND, Reason.DIGEST_MISMATCH, Reason.UNSAFE_OBJECT_NAME})
"""Why a kept artifact is not the one of its record."""

log = logging.getLogger(__name__)

Mode = Literal["Off", "Read", "ReadWrite"]


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
