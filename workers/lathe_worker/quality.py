"""The metrics of quality: what each takes down of every sample, and how two models compare.

A metric observes one batch of answers (an array whose first axis is the sample), and compares
what was observed of the input model and of a result on the same samples, with a 95 % interval of
the difference.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from lathe_api.v1alpha1.evaluation import Metric
from lathe_steps.errors import BadInput
from lathe_steps.reasons import Reason
from lathe_worker import intervals, resampling
from lathe_worker.intervals import Interval
from lathe_worker.macro_f1 import macro_f1
from lathe_worker.predictions import Answer, Observe

NO_ANSWER = -1
"""Where a score is not a number, the model has no answer, and cannot be right."""
WORST = 1e30
"""The distance between a label and what is not a number."""
TOP5 = 5


@dataclass(frozen=True, slots=True)
class Difference:
    """A metric of two models on the same samples.

    Attributes:
        before: The input model's.
        after: The result's.
        interval: 95 % interval of after - before.
    """

    before: float
    after: float
    interval: Interval


Compare = Callable[[np.ndarray, np.ndarray], Difference]


def classes_of(answer: Answer) -> np.ndarray:
    """Index of the largest score, of shape [samples, ...]; NO_ANSWER where one is no number.

    Raises:
        BadInput: ShapeMismatch, when the output holds no scores of classes.
    """
    scores = _scores(answer)
    found: np.ndarray = np.where(np.isnan(scores).any(axis=-1), NO_ANSWER, scores.argmax(axis=-1))
    return found


def _scores(answer: Answer) -> np.ndarray:
    if answer.output.ndim < 2 or answer.output.shape[-1] < 2:  # noqa: PLR2004 - axes, classes
        raise BadInput(
            f"output {answer.name} has the shape {answer.output.shape}, but scores have "
            "[samples, ..., classes]: name the output with scores in spec.evaluation.output",
            reason=Reason.SHAPE_MISMATCH,
        )
    return answer.output


def _class_labels(answer: Answer, metric: Metric) -> np.ndarray:
    """The labels, one for each answer; those below 0 do not count."""
    labels, scores = _labels(answer, metric), _scores(answer)
    if labels.dtype.kind not in "iub":
        raise BadInput(
            f"data set {answer.dataset}: {metric} needs labels that are integers, but they are "
            f"{labels.dtype}",
            reason=Reason.INVALID_DATASET,
        )
    answers = scores.shape[:-1]
    if labels.shape != answers and labels.squeeze().shape == np.empty(answers).squeeze().shape:
        labels = labels.reshape(answers)
    if labels.shape != answers:
        raise BadInput(
            f"data set {answer.dataset}: labels have the shape {list(labels.shape)}, but output "
            f"{answer.name} answers {list(scores.shape[:-1])}: name another evaluation.output, or "
            "use ArgmaxAgreement",
            reason=Reason.SHAPE_MISMATCH,
        )
    if labels.max(initial=0) >= scores.shape[-1]:
        raise BadInput(
            f"data set {answer.dataset}: labels go up to {labels.max()}, but the model tells "
            f"{scores.shape[-1]} classes apart: labels count from 0",
            reason=Reason.INVALID_DATASET,
        )
    return labels


def _labels(answer: Answer, metric: Metric) -> np.ndarray:
    if answer.labels is None:
        raise BadInput(
            f"data set {answer.dataset}: {metric} needs labels", reason=Reason.INVALID_DATASET
        )
    return answer.labels


def _hits(answer: Answer, metric: Metric, within: int) -> np.ndarray:
    """How many labels of a sample are among its largest scores, and how many count: [samples, 2].

    A score as large as the label's counts for the label only if it comes later, as for argmax.
    """
    labels = _class_labels(answer, metric)
    counted = labels >= 0
    hit = (classes_of(answer) == labels) if within == 1 else _among(_scores(answer), labels, within)
    hit &= counted
    rows = len(labels)
    found: np.ndarray = np.stack(
        [hit.reshape(rows, -1).sum(axis=1), counted.reshape(rows, -1).sum(axis=1)], axis=1
    ).astype(np.float64)
    return found


def _among(scores: np.ndarray, labels: np.ndarray, within: int) -> np.ndarray:
    places = np.maximum(labels, 0)[..., None]
    own = np.take_along_axis(scores, places, axis=-1)
    ahead = (scores > own) | ((scores == own) & (np.arange(scores.shape[-1]) < places))
    found: np.ndarray = (ahead.sum(axis=-1) < within) & ~np.isnan(scores).any(axis=-1)
    return found


def _compare_hits(before: np.ndarray, after: np.ndarray) -> Difference:
    """Share of labels that were hit: of samples by formula, of positions by the bootstrap."""
    _require_counted(after[:, 1].sum())
    shares = float(_share(before.sum(axis=0))), float(_share(after.sum(axis=0)))
    if after[:, 1].max() > 1:
        found = resampling.difference(before, after, lambda was, now: _share(now) - _share(was))
        return Difference(*shares, _at_least(found, shares[1] - shares[0], len(after)))
    was, now = before[:, 0] > 0, after[:, 0] > 0
    gained, lost = int((now & ~was).sum()), int((was & ~now).sum())
    found = intervals.paired_difference(gained, lost, int(after[:, 1].sum()))
    return Difference(*shares, found)


def _share(counts: np.ndarray) -> np.ndarray:
    found: np.ndarray = counts[..., 0] / np.maximum(counts[..., 1], 1)
    return found


def _require_counted(count: float) -> None:
    if not count:
        raise BadInput("no label counts: all are below 0", reason=Reason.INVALID_DATASET)


def _at_least(found: Interval, middle: float, samples: int) -> Interval:
    """An interval that is not narrower than where no sample differs: few samples show little."""
    floor = intervals.paired_difference(0, 0, samples)
    return Interval(min(found.low, middle + floor.low), max(found.high, middle + floor.high))


def _labelled_classes(answer: Answer) -> np.ndarray:
    """Labels and answers of each position: [samples, positions, 2]."""
    labels = _class_labels(answer, Metric.F1)
    pair = np.stack([labels, classes_of(answer)], axis=-1)
    return pair.reshape(len(pair), -1, 2)


def _compare_f1(before: np.ndarray, after: np.ndarray) -> Difference:
    labels = after[..., 0]
    _require_counted((labels >= 0).sum())
    was, now, drawn = macro_f1(labels, before[..., 1], after[..., 1])
    return Difference(was, now, _at_least(resampling.ends(drawn), now - was, len(labels)))


def _agreement(answer: Answer) -> np.ndarray:
    """Share of each sample's answers that are the input model's; 0 or 1 for one answer."""
    found = classes_of(answer)
    wanted = np.where(
        np.isnan(answer.reference).any(axis=-1), NO_ANSWER, answer.reference.argmax(axis=-1)
    )
    same = (found == wanted) & (found != NO_ANSWER)
    share: np.ndarray = same.reshape(len(same), -1).mean(axis=1)
    return share


def _compare_agreement(_before: np.ndarray, after: np.ndarray) -> Difference:
    share, samples = float(after.mean()), len(after)
    low, high = intervals.share(share * samples, samples)
    return Difference(1.0, share, Interval(low - 1.0, high - 1.0))


def _cosine(answer: Answer) -> np.ndarray:
    """Cosine between each sample's output and the input model's; 0 where one is no number."""
    rows = len(answer.output)
    found = answer.output.reshape(rows, -1).astype(np.float64)
    wanted = answer.reference.reshape(rows, -1).astype(np.float64)
    lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(wanted, axis=1)
    alike = (found == wanted).all(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        cosine = (found * wanted).sum(axis=1) / lengths
    cosine = np.where(alike, 1.0, np.nan_to_num(cosine, nan=0.0, posinf=0.0, neginf=0.0))
    within: np.ndarray = np.clip(cosine, -1.0, 1.0)[:, None]
    return within


def _compare_cosine(_before: np.ndarray, after: np.ndarray) -> Difference:
    found = resampling.difference(after, after, lambda _was, now: now[..., 0] / len(after) - 1.0)
    return Difference(1.0, float(after.mean()), found)


def _errors(answer: Answer, metric: Metric) -> tuple[np.ndarray, np.ndarray]:
    """Labels and distances from them: both [samples, values]."""
    labels = _labels(answer, metric)
    rows = len(answer.output)
    wanted = labels.reshape(rows, -1).astype(np.float64)
    found = answer.output.reshape(rows, -1).astype(np.float64)
    if wanted.shape != found.shape:
        raise BadInput(
            f"data set {answer.dataset}: labels have the shape {list(labels.shape)}, but output "
            f"{answer.name} has {list(answer.output.shape)}: {metric} compares them value by "
            "value; name another output in spec.evaluation.output",
            reason=Reason.SHAPE_MISMATCH,
        )
    distance = np.nan_to_num(np.abs(found - wanted), nan=WORST, posinf=WORST)
    return wanted, np.minimum(distance, WORST)


def _absolute_error(answer: Answer) -> np.ndarray:
    found: np.ndarray = _errors(answer, Metric.MAE)[1].mean(axis=1, keepdims=True)
    return found


def _squared_error(answer: Answer) -> np.ndarray:
    _, distance = _errors(answer, Metric.RMSE)
    found: np.ndarray = (distance**2).mean(axis=1, keepdims=True)
    return found


def _compare_mae(before: np.ndarray, after: np.ndarray) -> Difference:
    return _compared(before, after, lambda sums: sums[..., 0] / len(before))


def _compare_rmse(before: np.ndarray, after: np.ndarray) -> Difference:
    return _compared(before, after, lambda sums: np.sqrt(sums[..., 0] / len(before)))


def _explained(answer: Answer) -> np.ndarray:
    """Squared error, and the values of the labels: [samples, 1 + values]."""
    wanted, distance = _errors(answer, Metric.R2)
    return np.concatenate([(distance**2).sum(axis=1, keepdims=True), wanted], axis=1)


def _compare_r2(before: np.ndarray, after: np.ndarray) -> Difference:
    """1 - squared error / variance of the labels, both summed over all values of a sample."""
    samples = len(before)
    wanted = before[:, 1:] - before[:, 1:].mean(axis=0)  # sums of large squares lose digits
    squares = (wanted**2).sum(axis=1, keepdims=True)
    if not squares.sum():
        raise BadInput("R2 needs labels that differ", reason=Reason.INVALID_DATASET)

    def value(sums: np.ndarray) -> np.ndarray:
        spread = sums[..., 1] - (sums[..., 2:] ** 2).sum(axis=-1) / samples
        found: np.ndarray = 1.0 - sums[..., 0] / np.maximum(spread, 1e-300)
        return found

    columns = [np.concatenate([each[:, :1], squares, wanted], axis=1) for each in (before, after)]
    return _compared(columns[0], columns[1], value)


def _compared(
    before: np.ndarray, after: np.ndarray, value: Callable[[np.ndarray], np.ndarray]
) -> Difference:
    """A value made of sums over the samples, with its paired bootstrap."""
    found = resampling.difference(before, after, lambda was, now: value(now) - value(was))
    return Difference(float(value(before.sum(axis=0))), float(value(after.sum(axis=0))), found)


METRICS: Mapping[Metric, tuple[Observe, Compare]] = {
    Metric.TOP1: (lambda answer: _hits(answer, Metric.TOP1, 1), _compare_hits),
    Metric.TOP5: (lambda answer: _hits(answer, Metric.TOP5, TOP5), _compare_hits),
    Metric.F1: (_labelled_classes, _compare_f1),
    Metric.ARGMAX_AGREEMENT: (_agreement, _compare_agreement),
    Metric.COSINE: (_cosine, _compare_cosine),
    Metric.R2: (_explained, _compare_r2),
    Metric.MAE: (_absolute_error, _compare_mae),
    Metric.RMSE: (_squared_error, _compare_rmse),
}
"""Every metric of quality: what it observes, and how it compares."""
