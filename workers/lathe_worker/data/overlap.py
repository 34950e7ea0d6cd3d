"""Whether data sets share samples, in memory that depends on the evaluation's samples alone."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np

from lathe_steps.errors import BadInput
from lathe_steps.reasons import Reason
from lathe_worker.data.columns import Column
from lathe_worker.data.labels import pieces

ALLOWED = 0.01
"""Share of the evaluation's samples that may be in a data set that a step has seen: collections
hold doubles by nature. More of them is a mistake."""
_BYTES = 8
"""Of a digest: that two of 10^9 samples share one by chance has a probability below 3 %, and one
would change nothing."""


class Digested(Protocol):
    """A data set whose samples can be told apart."""

    @property
    def name(self) -> str:
        """As the resource calls it."""

    def digests(self) -> Iterator[np.ndarray]:
        """Digests of all samples' inputs in order, whatever their labels, piece by piece."""


def require_apart(evaluated: Digested, seen: Iterable[Digested]) -> None:
    """Refuse to measure on samples that training or calibration has seen.

    Raises:
        BadInput: InvalidDataset, naming both, when more than 1 % of the evaluation's samples are
            in another data set: images byte by byte as they are stored, arrays by their elements
            before transforms.
    """
    own, counts = np.unique(np.concatenate(list(evaluated.digests())), return_counts=True)
    samples = int(counts.sum())
    for other in seen:
        found = np.zeros(len(own), bool)
        for theirs in other.digests():
            at = np.minimum(np.searchsorted(own, theirs), len(own) - 1)
            found[at[own[at] == theirs]] = True
        if (shared := int(counts[found].sum())) > ALLOWED * samples:
            raise BadInput(
                f"data sets {other.name} and {evaluated.name} share {shared} of the "
                f"{samples} samples to measure on: keep samples apart for the evaluation",
                reason=Reason.INVALID_DATASET,
            )


def digests(columns: Mapping[str, tuple[Column, np.dtype[Any] | None]]) -> Iterator[np.ndarray]:
    """Digests of samples, as uint64.

    Args:
        columns: What feeds each input, and the type that its elements are compared in.
    """
    fed = [columns[name] for name in sorted(columns)]
    for rows in pieces(fed[0][0]):
        contents = [column.content(rows, dtype) for column, dtype in fed]
        yield np.array([_digest(sample) for sample in zip(*contents, strict=True)], np.uint64)


def _digest(parts: Iterable[bytes]) -> int:
    found = hashlib.blake2b(digest_size=_BYTES)
    for part in parts:
        found.update(len(part).to_bytes(8, "little"))
        found.update(part)
    return int.from_bytes(found.digest(), "little")
