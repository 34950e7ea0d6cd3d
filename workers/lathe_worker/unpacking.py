"""From an archive back to the files that were packed: nobody vouches for what is in it."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from lathe_steps.errors import BadInput, InvalidSpec
from lathe_steps.reasons import Reason
from lathe_worker.newfile import NewFile

if TYPE_CHECKING:
    from lathe_steps.toolchains.archives.container import Archive


def unpack(archive: Path, to: Path) -> tuple[Path, ...]:
    """Write the files of an archive into a folder; they have their names once all are whole.

    Names are Lathe's own, never the archive's, and memory does not depend on what it says.

    Args:
        archive: The file.
        to: The folder; it is made when it is not there.

    Raises:
        BadInput: ObjectNotFound, or InvalidModel when it is damaged or no archive.
        InvalidSpec: A file is there already.
        Transient: DiskFull.
        Internal: The folder cannot be written.
    """
    from lathe_steps.toolchains.archives import container  # noqa: PLC0415 - numpy is not light
    from lathe_steps.toolchains.archives.reader import Damaged  # noqa: PLC0415 - same reason

    if not archive.is_file():
        raise BadInput(f"{archive}: there is no such file", reason=Reason.OBJECT_NOT_FOUND)
    try:
        held = container.opened(archive)
        return _write(held, _free([to / file.name for file in held.files]))
    except Damaged as damage:
        raise BadInput(f"{archive}: {damage}; get it again") from damage
    except PermissionError as error:
        raise BadInput(f"{archive}: {error.strerror}; make it readable") from error


def _write(held: "Archive", paths: Sequence[Path]) -> tuple[Path, ...]:
    with ExitStack() as stack:
        files = [
            stack.enter_context(NewFile(path, file.size))
            for path, file in zip(paths, held.files, strict=True)
        ]
        written = [0] * len(files)
        for index, piece in held.pieces():
            files[index].write_at(written[index], piece)
            written[index] += len(piece)
        for file in files:
            file.commit()
    return tuple(paths)


def _free(paths: Sequence[Path]) -> Sequence[Path]:
    for path in paths:
        if path.exists():
            raise InvalidSpec(f"{path} is there already; move it away, or choose another --to")
    return paths
