"""Shards of WebDataset: tar files in which neighbours that differ in their ending are a sample.

`0001.jpg` and `0001.cls` are the columns jpg and cls of sample 0001. The columns are what the
first sample has; later samples may have more.
"""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lathe_worker.data import encoded, images, tars
from lathe_worker.data.encoded import MOST_BYTES, Decode, Encoded, Index
from lathe_worker.data.refusal import invalid

_JSON = "json"


@dataclass(frozen=True, slots=True)
class Shard:
    """A tar file.

    Attributes:
        path: Where it is.
        called: How messages name it.
    """

    path: Path
    called: str


Sample = Mapping[str, tars.Member]
"""The members of one sample, by column."""


def names(shard: Shard) -> tuple[str, ...]:
    """The columns of a shard's first sample.

    Raises:
        BadInput: InvalidDataset, when it has none, or the file is not sound.
    """
    for _, sample in samples(shard):
        return tuple(sample)
    raise invalid(shard.called, "has no samples")


def read(shards: Sequence[Shard], wanted: Sequence[str]) -> Mapping[str, Encoded]:
    """Find columns in shards that follow one another; values stay where they are.

    Args:
        shards: At least one.
        wanted: Columns, such as jpg or cls; json.label is the value of the key label.

    Raises:
        BadInput: InvalidDataset, when a sample lacks one, or something is no image.
    """
    known = names(shards[0])
    members = {column: member_of(column, known) for column in wanted}
    decoders = {column: _decoder(shards[0], column, members[column]) for column in wanted}
    found = {column: (array("i"), array("q"), array("q")) for column in wanted}
    for number, shard in enumerate(shards):
        for key, sample in samples(shard):
            for column in wanted:
                member = _of(sample, members[column], key, shard)
                for numbers, value in zip(
                    found[column], (number, member.start, member.size), strict=True
                ):
                    numbers.append(value)
    made = {
        column: _column(shards, found[column], decoders[column], members[column])
        for column in wanted
    }
    for each in made.values():
        if each.opaque:
            each.check()
    return made


def samples(shard: Shard) -> Iterator[tuple[str, Sample]]:
    """Yield the name and the members of each sample, in order; hidden files are passed over.

    Raises:
        BadInput: InvalidDataset, when the file is not sound, or a sample has a column twice.
    """
    key, sample = "", dict[str, tars.Member]()
    for member in tars.members(shard.path, shard.called):
        folder, slash, file = member.name.rpartition("/")
        stem, dot, ending = file.partition(".")
        if not stem or not dot or stem.startswith("__"):
            continue
        name, ending = f"{folder}{slash}{stem}", ending.lower()
        if sample and name != key:
            yield key, sample
            sample = {}
        key = name
        if ending in sample:
            raise invalid(shard.called, f"the sample {key} has {ending} twice")
        sample[ending] = member
    if sample:
        yield key, sample


def is_array(name: str) -> bool:
    """Whether a column holds what can be a model's input."""
    return name.rpartition(".")[2] in {*images.ENDINGS, "npy"}


def member_of(column: str, known: Sequence[str]) -> str:
    """The ending under which a column's values lie: json for json.label."""
    before, found, _ = column.partition(f"{_JSON}.")
    return f"{before}{_JSON}" if found and column not in known else column


def _decoder(shard: Shard, column: str, member: str) -> Decode:
    kind = member.rpartition(".")[2]
    if kind in images.ENDINGS:
        return images.decode
    key = column[len(member) + 1 :] or None
    known: Mapping[str, Decode] = {
        "npy": encoded.array,
        "cls": encoded.class_of,
        _JSON: encoded.json_values(key),
    }
    if kind not in known:
        there = ", ".join((*sorted(images.ENDINGS), *known))
        raise invalid(shard.called, f"the column {column} cannot be read; there are: {there}")
    return known[kind]


def _of(sample: Sample, ending: str, key: str, shard: Shard) -> tars.Member:
    if ending not in sample:
        raise invalid(
            shard.called, f"the sample {key} has no {ending}; it has: {', '.join(sample)}"
        )
    member = sample[ending]
    if member.size > MOST_BYTES:
        raise invalid(
            shard.called,
            f"the member {member.name} has {member.size} bytes; up to {MOST_BYTES} are read",
        )
    return member


def _column(
    shards: Sequence[Shard],
    found: tuple["array[int]", "array[int]", "array[int]"],
    decode: Decode,
    ending: str,
) -> Encoded:
    number, start, size = (np.array(numbers, numbers.typecode) for numbers in found)
    index = Index(tuple(shard.path for shard in shards), number, start, size)

    def name(row: int) -> str:
        """Found again by where it lies: names would take more memory than all the rest."""
        shard = shards[int(number[row])]
        for member in tars.members(shard.path, shard.called):
            if member.start == start[row]:
                return f"{shard.called}: the member {member.name}"
        return shard.called

    is_image = ending.rpartition(".")[2] in images.ENDINGS
    return Encoded(index, decode, name, opaque=is_image)
