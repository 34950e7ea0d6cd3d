"""One training: on which samples, in which order, for how long, and what it leaves behind."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice, pairwise

from lathe_steps.base import LEAN_PARTS, Batch, Checkpoints, Context, Dataset, NoCheckpoints
from lathe_steps.evidence import Evidence
from lathe_steps.toolchains.training import Training


def _nobody(_: Evidence) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Trail:
    """What a training leaves behind on its way.

    Attributes:
        checkpoints: Where it keeps how far it is; a step that trains as one part of its work gives
            a `Part` of its own.
        tell: Called with its curves at the end: the loss and, with early stop, what was seen on
            samples apart.
    """

    checkpoints: Checkpoints = field(default_factory=NoCheckpoints)
    tell: Callable[[Evidence], None] = _nobody


@dataclass(frozen=True, slots=True)
class Epoch:
    """One pass over the data set.

    Attributes:
        number: Which, from 0.
        size: Samples per batch.
        batches: How many batches.
    """

    number: int
    size: int
    batches: int


@dataclass(frozen=True, slots=True)
class Course:
    """One training: what on, how, and for how long.

    Attributes:
        step: Kind of the step, for messages.
        settings: How to train.
        dataset: What to train on.
        seed: Makes it repeatable.
        progress: Called with the share done and a short message.
        validation: What early stop looks at; given when the settings ask for it.
        trail: What it leaves behind.
        lean: Whether each batch is taken in parts, so that less memory is needed.
    """

    step: str
    settings: Training
    dataset: Dataset
    seed: int
    progress: Callable[[float, str], None]
    validation: Dataset | None = None
    trail: Trail = field(default_factory=Trail)
    lean: bool = False

    @property
    def updates(self) -> int:
        """How many batches are trained on, unless it stops early."""
        return sum(epoch.batches for epoch in self.epochs())

    def epochs(self) -> Iterator[Epoch]:
        """Every pass, the last one cut off by maxSteps."""
        left = self.settings.max_steps
        for number in range(self.settings.epochs):
            size = self._size(number)
            batches = self._batches(size) if left is None else min(self._batches(size), left)
            yield Epoch(number, size, batches)
            if left is not None:
                left -= batches
                if not left:
                    return

    def batches(self, epoch: Epoch, skip: int = 0) -> Iterator[Batch]:
        """The batches of a pass but the first ones, in an order that only the seed decides."""
        found = self.dataset.batches(epoch.size, shuffle=self.seed + epoch.number)
        return islice(found, skip, epoch.batches)

    def parts(self, batch: Batch) -> tuple[tuple[float, Batch], ...]:
        """The batch as what goes through the model at once, each with its share of the samples.

        No part is a single sample, which normalisations cannot learn from, unless the batch is.
        """
        count = len(next(iter(batch.inputs.values())))
        parts = max(1, min(LEAN_PARTS, count // 2)) if self.lean else 1
        if parts == 1:
            return ((1.0, batch),)
        edges = [count * number // parts for number in range(parts + 1)]
        return tuple(
            ((end - start) / count, _cut(batch, start, end)) for start, end in pairwise(edges)
        )

    def _size(self, number: int) -> int:
        growth, size = self.settings.batch_growth, self.settings.batch_size
        if growth is None:
            return size
        for _ in range(number // growth.every_epochs):
            if size >= growth.max:
                break
            size = min(growth.max, size * growth.factor)
        return size

    def _batches(self, size: int) -> int:
        """All batches but a last one of a single sample, which normalisations cannot learn from."""
        full, rest = divmod(len(self.dataset), size)
        return full + (rest > 1 or (rest == 1 and not full))


def _cut(batch: Batch, start: int, end: int) -> Batch:
    labels = None if batch.labels is None else batch.labels[start:end]
    return Batch({name: it[start:end] for name, it in batch.inputs.items()}, labels)


def course_of(
    step: str,
    settings: Training,
    context: Context,
    trail: Trail,
    progress: Callable[[float, str], None] | None = None,
) -> Course:
    """The training that a step's settings ask for, on the data sets of its context.

    Args:
        step: Kind of the step, for messages.
        settings: How to train.
        context: Of the step; gives data sets and seed.
        trail: What the training leaves behind.
        progress: Instead of the step's own, for one part of its work.
    """
    early = settings.early_stop
    return Course(
        step,
        settings,
        context.datasets[settings.dataset],
        context.seed + settings.seed,
        progress or context.progress,
        validation=context.datasets[early.dataset] if early else None,
        trail=trail,
        lean=context.lean,
    )
