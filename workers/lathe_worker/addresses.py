"""s3:// addresses, and the file names that may be made of object keys."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Self

from lathe_steps.errors import BadInput, Internal, InvalidSpec
from lathe_steps.reasons import Reason

_SHAPE = re.compile(
    r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/(?P<key>[^\x00-\x1f\x7f\\]*)"
)
_LONGEST_NAME = 255  # bytes of one path segment, on every file system that matters here


@dataclass(frozen=True, slots=True)
class Address:
    """Where an object, or a prefix, is: s3://bucket/key, the key neither quoted nor escaped."""

    bucket: str
    key: str

    @classmethod
    def of_object(cls, uri: str) -> Self:
        """Read the address of one object.

        Raises:
            InvalidSpec: The URI names a bucket or a prefix, or is no s3:// address.
        """
        address = cls._of(uri)
        if not address.key or address.key.endswith("/"):
            raise InvalidSpec(f"{uri} names a prefix where one object is needed; name the object")
        return address

    @classmethod
    def of_prefix(cls, uri: str) -> Self:
        """Read the address of a prefix, which ends in '/' so that it cannot match its siblings.

        Raises:
            InvalidSpec: The URI does not end in '/', or is no s3:// address.
        """
        address = cls._of(uri)
        if address.key and not address.key.endswith("/"):
            raise InvalidSpec(f"{uri} names an object where a prefix is needed; end it in '/'")
        return address

    @classmethod
    def _of(cls, uri: str) -> Self:
        shape = _SHAPE.fullmatch(uri)
        if shape is None:
            raise InvalidSpec(f"{uri!r} is no address in storage; write s3://bucket/key")
        key = shape["key"]
        if key and not _is_plain(key.removesuffix("/")):
            raise InvalidSpec(f"{uri} has an empty, '.' or '..' segment; write it without")
        return cls(shape["bucket"], key)

    @property
    def uri(self) -> str:
        """The address as users write it."""
        return f"s3://{self.bucket}/{self.key}"

    @property
    def name(self) -> str:
        """The last segment of the key."""
        return PurePosixPath(self.key).name


def name_under(prefix: Address, key: str) -> str:
    """Name an object of a listing: its key without the prefix, fit to be a relative path.

    Raises:
        BadInput: The key would leave the folder, or no file can bear its name.
    """
    name = key.removeprefix(prefix.key)
    if not _is_plain(name):
        raise BadInput(
            f"s3://{prefix.bucket}/{key} cannot become a file under {prefix.uri}; "
            "rename or remove the object",
            reason=Reason.UNSAFE_OBJECT_NAME,
        )
    return name


def places(into: Path, names: Sequence[str]) -> tuple[Path, ...]:
    """Say where the objects of a listing go, one file for each name, all below `into`.

    Raises:
        BadInput: A name would leave the folder, comes twice, or is also the folder of another.
    """
    folders = {str(parent) for name in names for parent in PurePosixPath(name).parents}
    seen: set[str] = set()
    for name in names:
        if not _is_plain(name) or name in folders or name in seen:
            raise BadInput(
                f"{name!r} cannot be a file of its own under {into}; rename or remove the object",
                reason=Reason.UNSAFE_OBJECT_NAME,
            )
        seen.add(name)
    return tuple(into / name for name in names)


def files_under(folder: Path) -> tuple[tuple[str, Path], ...]:
    """Name every file below a folder by its relative path, ordered by name.

    Raises:
        Internal: Something there is no file (a link, a pipe…), or bears an unfit name.
    """
    found: list[tuple[str, Path]] = []
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_file() or path.is_dir()) or not _is_plain(name):
            raise Internal(f"{path} is no plain file, so it cannot be uploaded; write a file")
        if path.is_file():
            found.append((name, path))
    return tuple(sorted(found))


def _is_plain(path: str) -> bool:
    """Whether a relative path stays below its root, in a form that no file system changes."""
    segments = path.split("/")
    return all(
        segment not in {"", ".", ".."} and len(segment.encode()) <= _LONGEST_NAME
        for segment in segments
    ) and not any(ord(character) < ord(" ") or character in "\\\x7f" for character in path)
