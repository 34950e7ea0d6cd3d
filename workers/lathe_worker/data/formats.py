"""The formats of data sets: each turns the files of a data set into columns.

NPZ and Parquet are unpacked into the scratch directory; the others are read where they are.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lathe_api.v1alpha1.datasets import DatasetRef
from lathe_worker.data import imagefolder, parquet, webdataset
from lathe_worker.data.columns import Column, Stored, joined
from lathe_worker.data.npz import Archive
from lathe_worker.data.refusal import invalid, spoken
from lathe_worker.data.spool import Open, spools
from lathe_worker.data.tensors import Tensors

_ENDINGS: Mapping[str, str] = {
    "NPZ": ".npz",
    "Safetensors": ".safetensors",
    "Parquet": ".parquet",
    "WebDataset": ".tar",
}
"""How the names of objects below a prefix end; others are not of the data set."""


class Source(Protocol):
    """The columns of a data set."""

    @property
    def names(self) -> tuple[str, ...]:
        """What there is, for messages."""

    @property
    def candidates(self) -> tuple[str, ...]:
        """Columns that can be an input without being named."""

    def has(self, column: str) -> bool:
        """Whether there is such a column."""

    def read(self, wanted: Sequence[str]) -> Mapping[str, Column]:
        """Open columns.

        Raises:
            BadInput: InvalidDataset, naming the object that is not sound.
        """


def open_source(ref: DatasetRef, path: Path, scratch: Path) -> Source:
    """Look at the files of a data set.

    Args:
        ref: The data set as declared.
        path: The file, or the directory with what the prefix holds.
        scratch: An existing directory for unpacked columns.

    Raises:
        BadInput: InvalidDataset, when they are not sound, or there are none.
    """
    match ref.format:
        case "ImageFolder":
            return _Folder(imagefolder.Tree(ref, path), scratch / f"{ref.name}-class.bin")
        case "NPZ":
            return _archives(ref, _files(ref, path), scratch)
        case "Safetensors":
            return _tensors(_files(ref, path))
        case "Parquet":
            tables = tuple(parquet.Table(file, called) for file, called in _files(ref, path))
            return _Tables(tables, spools(scratch, ref.name, spoken(ref)), tables[0].names())
        case "WebDataset":
            shards = tuple(webdataset.Shard(file, called) for file, called in _files(ref, path))
            return _Shards(shards, webdataset.names(shards[0]))


def _files(ref: DatasetRef, path: Path) -> Sequence[tuple[Path, str]]:
    """The files of a data set, ordered by name, and how messages call them."""
    if not path.is_dir():
        return ((path, spoken(ref)),)
    ending = _ENDINGS[ref.format]
    names = (file.relative_to(path) for file in path.rglob(f"*{ending}") if file.is_file())
    found = sorted(
        name.as_posix() for name in names if not any(p.startswith((".", "_")) for p in name.parts)
    )
    if not found:
        raise invalid(spoken(ref), f"has no object whose name ends in {ending}")
    return tuple((path / name, spoken(ref, name)) for name in found)


Find = Callable[[str], Stored]
"""Finds an array of a file, by its name."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A file of named arrays."""

    called: str
    names: tuple[str, ...]
    find: Find


@dataclass(frozen=True, slots=True)
class _Arrays:
    """Named arrays, in files whose samples follow one another."""

    parts: tuple[_Part, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return self.parts[0].names

    @property
    def candidates(self) -> tuple[str, ...]:
        return self.names

    def has(self, column: str) -> bool:
        return column in self.names

    def read(self, wanted: Sequence[str]) -> Mapping[str, Column]:
        for part in self.parts:
            if missing := [name for name in wanted if name not in part.names]:
                known = ", ".join(part.names)
                raise invalid(part.called, f"has no array {missing[0]}; it has: {known}")
        return {
            name: joined([part.find(name) for part in self.parts]) for name in dict.fromkeys(wanted)
        }


def _archives(ref: DatasetRef, files: Sequence[tuple[Path, str]], scratch: Path) -> _Arrays:
    def part(number: int, file: Path, called: str) -> _Part:
        archive = Archive(file, called)

        def find(name: str) -> Stored:
            index = archive.names.index(name)
            return archive.unpack(name, scratch / f"{ref.name}-{number}-{index}.npy")

        return _Part(called, archive.names, find)

    return _Arrays(tuple(part(i, file, called) for i, (file, called) in enumerate(files)))


def _tensors(files: Sequence[tuple[Path, str]]) -> _Arrays:
    opened = [(called, Tensors(file, called)) for file, called in files]
    return _Arrays(tuple(_Part(called, it.names, it.tensor) for called, it in opened))


@dataclass(frozen=True, slots=True)
class _Tables:
    tables: tuple[parquet.Table, ...]
    spool: Open
    names: tuple[str, ...]

    @property
    def candidates(self) -> tuple[str, ...]:
        return self.names

    def has(self, column: str) -> bool:
        return column in self.names

    def read(self, wanted: Sequence[str]) -> Mapping[str, Column]:
        return parquet.read(self.tables, list(dict.fromkeys(wanted)), self.spool)


@dataclass(frozen=True, slots=True)
class _Shards:
    shards: tuple[webdataset.Shard, ...]
    names: tuple[str, ...]

    @property
    def candidates(self) -> tuple[str, ...]:
        return tuple(name for name in self.names if webdataset.is_array(name))

    def has(self, column: str) -> bool:
        return column in self.names or webdataset.member_of(column, self.names) in self.names

    def read(self, wanted: Sequence[str]) -> Mapping[str, Column]:
        return webdataset.read(self.shards, list(dict.fromkeys(wanted)))


@dataclass(frozen=True, slots=True)
class _Folder:
    tree: imagefolder.Tree
    classes: Path

    @property
    def names(self) -> tuple[str, ...]:
        return imagefolder.NAMES

    @property
    def candidates(self) -> tuple[str, ...]:
        return ("image",)

    def has(self, column: str) -> bool:
        return column in self.names

    def read(self, wanted: Sequence[str]) -> Mapping[str, Column]:
        columns = self.tree.read(self.classes)
        return {name: columns[name] for name in wanted}
