"""Macro F1 of two models, and its difference in every resample of the bootstrap."""

import numpy as np

from lathe_worker import resampling

_CLASSES_AT_A_TIME = 128


def macro_f1(
    labels: np.ndarray, before: np.ndarray, after: np.ndarray
) -> tuple[float, float, np.ndarray]:
    """The mean of the F1 scores of all classes that occur in the labels.

    An answer of another class misses its label, and counts against no class; in a resample, the
    classes count that occur in it.

    Args:
        labels: Of shape [samples, positions]; those below 0 do not count.
        before: The first model's answers, of the same shape.
        after: The second model's.

    Returns:
        The first model's F1, the second's, and second minus first in every resample.
    """
    classes = np.unique(labels[labels >= 0])
    whole = np.zeros((2, 2))
    drawn = np.zeros((2, resampling.RESAMPLES, 2))
    for start in range(0, len(classes), _CLASSES_AT_A_TIME):
        some = classes[start : start + _CLASSES_AT_A_TIME]
        wanted = _counts(labels, labels, some)
        for i, answers in enumerate((before, after)):
            given = _counts(answers, labels, some)
            right = _counts(np.where(answers == labels, answers, -1), labels, some)
            columns = np.concatenate([wanted, given, right], axis=1)
            whole[i] += _scores(columns.sum(axis=0)[None])[0]
            drawn[i] += _scores(resampling.sums(columns))
    mean = drawn[..., 0] / drawn[..., 1]
    return float(whole[0, 0] / whole[0, 1]), float(whole[1, 0] / whole[1, 1]), mean[1] - mean[0]


def _counts(values: np.ndarray, labels: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """How often each class is among each sample's values where a label counts."""
    samples = len(values)
    places = np.minimum(np.searchsorted(classes, values), len(classes) - 1)
    counted = (classes[places] == values) & (labels >= 0)
    rows = np.broadcast_to(np.arange(samples)[:, None], values.shape)[counted]
    flat = np.bincount(rows * len(classes) + places[counted], minlength=samples * len(classes))
    return flat.reshape(samples, len(classes)).astype(np.float64)


def _scores(sums: np.ndarray) -> np.ndarray:
    """Sum of the F1 scores of classes with labels, and how many those are: [..., 2]."""
    wanted, given, right = np.split(sums, 3, axis=-1)
    there = wanted > 0
    scores = np.where(there, 2 * right / np.maximum(wanted + given, 1), 0.0)
    return np.stack([scores.sum(axis=-1), there.sum(axis=-1)], axis=-1)
