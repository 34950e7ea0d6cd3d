"""What a model answers on a data set: the class with the largest score, sample by sample."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lathe_steps.base import Artifact, Batch, Dataset, TensorSpec
from lathe_steps.errors import BadInput, InvalidSpec
from lathe_steps.reasons import Reason

if TYPE_CHECKING:
    import numpy as np

    from lathe_steps.toolchains.onnx_runtime import Session

BATCH = 32
NO_ANSWER = -1
"""Where a score is not a number, the model has no answer, and cannot be right."""


@dataclass(frozen=True, slots=True)
class Predictions:
    """Answers of one model, in the order of the data set.

    Attributes:
        classes: Index of the largest score, of shape [samples, ...].
        labels: The true class of each sample, where the data set has labels.
        known: How many classes the model tells apart.
    """

    classes: np.ndarray
    labels: np.ndarray | None
    known: int

    @property
    def samples(self) -> int:
        """How many samples were answered."""
        return len(self.classes)

    def right(self) -> np.ndarray:
        """Whether each sample's answer is its label.

        Raises:
            BadInput: Without labels, with labels of other classes, or with several answers per
                sample.
        """
        if self.labels is None:
            raise BadInput("Top1 needs labels", reason=Reason.INVALID_DATASET)
        if self.classes.ndim != 1:
            raise BadInput(
                f"Top1 needs one answer per sample, but the model gives {self.classes.shape[1:]}: "
                "use ArgmaxAgreement, or name another evaluation.output",
                reason=Reason.SHAPE_MISMATCH,
            )
        if len(self.labels) and not 0 <= self.labels.min() <= self.labels.max() < self.known:
            raise BadInput(
                f"labels are {self.labels.min()} to {self.labels.max()}, but the model tells "
                f"{self.known} classes apart: labels count from 0",
                reason=Reason.INVALID_DATASET,
            )
        found: np.ndarray = self.classes == self.labels
        return found

    def agreement(self, other: Predictions) -> np.ndarray:
        """Share of each sample's answers on which two models agree; 0 or 1 for one answer."""
        same = (self.classes == other.classes) & (self.classes != NO_ANSWER)
        found: np.ndarray = same.reshape(len(same), -1).mean(axis=1)
        return found


def predict(
    artifact: Artifact,
    dataset: Dataset,
    *,
    output: str | None,
    threads: int,
    progress: Callable[[float], None],
) -> Predictions:
    """Run an ONNX model on every sample.

    Args:
        artifact: The model.
        dataset: The samples.
        output: Name of the output with scores of shape [samples, ..., classes]; None: the first.
        threads: CPU threads.
        progress: Told the share of samples done.

    Raises:
        BadInput: ShapeMismatch, when the output holds no scores of classes.
        InvalidSpec: When no output has this name.
    """
    import numpy as np  # noqa: PLC0415 - only the child measures

    from lathe_steps.toolchains.onnx_runtime import Session  # noqa: PLC0415 - same reason

    session = Session(artifact, threads)
    name = _output(session, output)
    classes, labels, known, done = [], [], 0, 0
    for batch, size in _calls(session, dataset):
        scores = _scores(name, session.run(batch.inputs)[name][:size], size)
        answers = np.where(np.isnan(scores).any(axis=-1), NO_ANSWER, scores.argmax(axis=-1))
        classes.append(answers)
        known = scores.shape[-1]
        if batch.labels is not None:
            labels.append(batch.labels[:size])
        done += size
        progress(done / len(dataset))
    return Predictions(np.concatenate(classes), np.concatenate(labels) if labels else None, known)


def samples_per_call(inputs: Sequence[TensorSpec]) -> int | None:
    """How many samples a model takes at once; None when it takes any number."""
    return next((spec.shape[0] for spec in inputs if isinstance(spec.shape[0], int)), None)


def _output(session: Session, wanted: str | None) -> str:
    names = [spec.name for spec in session.outputs]
    if wanted is not None and wanted not in names:
        raise InvalidSpec(
            f"spec.evaluation.output: the model has no output {wanted}; it has: {', '.join(names)}"
        )
    return wanted or names[0]


def _calls(session: Session, dataset: Dataset) -> Iterator[tuple[Batch, int]]:
    """Batches, and how many of their samples count: a fixed first axis is filled up."""
    import numpy as np  # noqa: PLC0415 - only the child measures

    fixed = samples_per_call(session.inputs)
    for batch in dataset.batches(fixed or BATCH):
        count = len(next(iter(batch.inputs.values())))
        if fixed and count < fixed:
            filled = {
                name: np.resize(array, (fixed, *array.shape[1:]))
                for name, array in batch.inputs.items()
            }
            yield Batch(filled, batch.labels), count
        else:
            yield batch, count


def _scores(name: str, found: np.ndarray, samples: int) -> np.ndarray:
    if found.ndim < 2 or found.shape[-1] < 2 or len(found) != samples:  # noqa: PLR2004 - axes, classes
        raise BadInput(
            f"output {name} has the shape {found.shape} for {samples} samples, but scores have "
            "[samples, ..., classes]: name the output with scores in spec.evaluation.output",
            reason=Reason.SHAPE_MISMATCH,
        )
    return found
