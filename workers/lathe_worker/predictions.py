"""What models answer on a data set, and what each metric sees of it, sample by sample.

All models answer the same batch before the next is read, so that no output is kept: a metric
takes down a few numbers per sample.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lathe_steps.base import Artifact, Dataset, TensorSpec
from lathe_steps.errors import BadInput, InvalidSpec
from lathe_steps.reasons import Reason
from lathe_steps.toolchains.onnx_runtime import Session

BATCH = 32


@dataclass(frozen=True, slots=True)
class Answer:
    """One model's output for a batch, and what it is compared with.

    Attributes:
        name: Of the output.
        output: Of shape [samples, ...].
        labels: Of shape [samples, ...], where the data set has labels.
        reference: The input model's output for the same samples.
        dataset: Name of the data set, for messages.
    """

    name: str
    output: np.ndarray
    labels: np.ndarray | None
    reference: np.ndarray
    dataset: str


Observe = Callable[[Answer], np.ndarray]
"""What a metric takes down of a batch: an array whose first axis is the sample."""


class Model:
    """A model that answers any number of samples at once: a fixed first axis is filled up.

    Attributes:
        output: Name of the output that is compared.
        fixed: How many samples it takes at once; None when it takes any number.
    """

    def __init__(self, artifact: Artifact, threads: int, output: str | None) -> None:
        """Load it.

        Raises:
            InvalidSpec: When no output has this name.
        """
        self._session = Session(artifact, threads)
        self.fixed = samples_per_call(self._session.inputs)
        self.output = _output(self._session, output)

    def answer(self, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        """The output for some samples.

        Raises:
            BadInput: ShapeMismatch, when it is not of shape [samples, ...].
        """
        count = len(next(iter(inputs.values())))
        parts = [self._call(inputs, start, count) for start in range(0, count, self.fixed or count)]
        return np.concatenate(parts) if len(parts) > 1 else parts[0]

    def _call(self, inputs: Mapping[str, np.ndarray], start: int, count: int) -> np.ndarray:
        size = self.fixed or count
        given = {name: array[start : start + size] for name, array in inputs.items()}
        samples = min(size, count - start)
        if samples < size:
            given = {name: np.resize(each, (size, *each.shape[1:])) for name, each in given.items()}
        found = self._session.run(given)[self.output]
        shape = getattr(found, "shape", "of a list")  # ONNX has outputs that are no tensors
        if shape[:1] != (size,):
            raise BadInput(
                f"output {self.output} has the shape {shape} for {size} samples, but its "
                "first axis has to be the sample: name another output in spec.evaluation.output",
                reason=Reason.SHAPE_MISMATCH,
            )
        return found[:samples]


def observed(
    models: Sequence[Model],
    dataset: Dataset,
    observers: Mapping[str, Observe],
    *,
    limit: int | None = None,
    progress: Callable[[float], None],
) -> list[dict[str, np.ndarray]]:
    """Run models on the same samples.

    Args:
        models: The first is the input model, with which the others are compared.
        dataset: The samples.
        observers: What is taken down, by name.
        limit: Run on only so many samples, evenly spread.
        progress: Told the share of samples done.

    Returns:
        For each model, what was taken down, by name, in the order of the data set.

    Raises:
        BadInput: ShapeMismatch or InvalidDataset, when outputs or labels are not what a metric
            needs.
    """
    total = min(limit or len(dataset), len(dataset))
    found: list[dict[str, list[np.ndarray]]] = [{name: [] for name in observers} for _ in models]
    done = 0
    size = max(BATCH, *(model.fixed or 0 for model in models))
    for batch in dataset.batches(size, limit=limit):
        reference = models[0].answer(batch.inputs)
        for i, model in enumerate(models):
            output = model.answer(batch.inputs) if i else reference
            answer = Answer(model.output, output, batch.labels, reference, dataset.name)
            for name, observe in observers.items():
                found[i][name].append(observe(answer))
        done += len(reference)
        progress(done / total)
    return [{name: np.concatenate(parts) for name, parts in each.items()} for each in found]


def samples_per_call(inputs: Sequence[TensorSpec]) -> int | None:
    """How many samples a model takes at once; None when it takes any number."""
    return next((spec.shape[0] for spec in inputs if isinstance(spec.shape[0], int)), None)


def one_call(dataset: Dataset, size: int) -> Mapping[str, np.ndarray]:
    """The inputs of one call with `size` samples; they repeat where there are fewer."""
    batch = next(dataset.batches(size))
    return {
        name: np.resize(array, (size, *array.shape[1:])) for name, array in batch.inputs.items()
    }


def _output(session: Session, wanted: str | None) -> str:
    names = [spec.name for spec in session.outputs]
    if wanted is not None and wanted not in names:
        raise InvalidSpec(
            f"spec.evaluation.output: the model has no output {wanted}; it has: {', '.join(names)}"
        )
    return wanted or names[0]
