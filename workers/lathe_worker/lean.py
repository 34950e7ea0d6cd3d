"""Needing less memory: what a run does that is tried again after its worker ran out of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lathe_steps.base import LEAN_PARTS, Batch, Dataset, TensorSpec


@dataclass(frozen=True, slots=True)
class LeanDataset:
    """The same samples in the same order, in batches of a quarter of what is asked for.

    Only batches of a shuffled pass are as large as they are asked for: training counts them, and
    takes them apart itself.
    """

    whole: Dataset

    @property
    def name(self) -> str:
        """See `Dataset`."""
        return self.whole.name

    def __len__(self) -> int:
        """See `Dataset`."""
        return len(self.whole)

    def batches(
        self, size: int, *, shuffle: int | None = None, limit: int | None = None
    ) -> Iterator[Batch]:
        """See `Dataset`."""
        smaller = size if shuffle is not None else max(1, size // LEAN_PARTS)
        return self.whole.batches(smaller, shuffle=shuffle, limit=limit)


def leaner(dataset: Dataset, inputs: Sequence[TensorSpec]) -> Dataset:
    """The data set in smaller batches, where the model takes batches of any size."""
    fixed = any(isinstance(spec.shape[0], int) for spec in inputs if spec.shape)
    return dataset if fixed else LeanDataset(dataset)
