"""How good a model is, by one number on few samples: what steps compare their candidates by.

The run's own evaluation measures the final files, on samples that no step has seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Literal

from lathe_steps.errors import BadInput
from lathe_steps.reasons import Reason

if TYPE_CHECKING:
    import numpy as np

    from lathe_steps.base import Batch, Dataset

Answer = Callable[[Mapping[str, "np.ndarray"]], "np.ndarray"]
"""Runs a model on the inputs of a batch; gives scores of shape [samples, ..., classes]."""

BATCH = 64


class Judge:
    """Scores models on the same samples of one data set.

    Attributes:
        metric: Top1, the share of labels that a model has right; or Agreement, without labels:
            the share of answers that are those of the reference.
        samples: How many samples each model is run on.
    """

    def __init__(self, dataset: Dataset, samples: int, reference: Answer) -> None:
        """Look at the samples once with the reference.

        Args:
            dataset: The samples; labels are class indices of shape [samples, ...] or None.
            samples: At most so many, evenly spread over the data set.
            reference: The model that the others are compared with.
        """
        self._dataset = dataset
        self.samples = min(samples, len(dataset))
        labels = [batch.labels for batch in self._batches()]
        self.metric: Literal["Top1", "Agreement"] = "Top1"
        self._wanted: list[np.ndarray] = [each for each in labels if each is not None]
        if not self._wanted:
            self.metric = "Agreement"
            self._wanted = [self._classes(reference, batch.inputs) for batch in self._batches()]
        self.reference = self.quality(reference)
        """The reference's own quality."""

    def quality(self, answer: Answer) -> float:
        """The metric of a model, 0 to 1.

        Raises:
            BadInput: ShapeMismatch, when its scores are not one for each class of each label.
        """
        right = total = 0
        for batch, wanted in zip(self._batches(), self._wanted, strict=True):
            found = self._classes(answer, batch.inputs)
            if found.shape != wanted.shape:
                raise BadInput(
                    f"data set {self._dataset.name}: labels have the shape {wanted.shape}, but "
                    f"the model answers {found.shape}",
                    reason=Reason.SHAPE_MISMATCH,
                )
            counted = wanted >= 0  # by convention, what is below 0 is no class and is left out
            right += int((found == wanted)[counted].sum())
            total += int(counted.sum())
        return right / max(total, 1)

    def _batches(self) -> Iterator[Batch]:
        return self._dataset.batches(BATCH, limit=self.samples)

    @staticmethod
    def _classes(answer: Answer, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        found: np.ndarray = answer(inputs).argmax(axis=-1)
        return found
