"""What each metric of quality sees of answers, and how sure a difference between two models is."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lathe_api.v1alpha1.evaluation import Metric
from lathe_steps.errors import BadInput
from lathe_steps.reasons import Reason
from lathe_worker import resampling
from lathe_worker.predictions import Answer
from lathe_worker.quality import METRICS, WORST, Difference


def compared(
    metric: Metric, before: Any, after: Any, labels: Any = None, *, floats: bool = False
) -> Difference:
    """Compare two models' outputs on the same samples."""
    observe, compare = METRICS[metric]
    outputs = [np.asarray(output, np.float32) for output in (before, after)]
    wanted = None if labels is None else np.asarray(labels, np.float64 if floats else np.int64)
    seen = [observe(Answer("y", output, wanted, outputs[0], "val")) for output in outputs]
    return compare(seen[0], seen[1])


def scores(classes: Any, of: int = 6) -> np.ndarray:
    """Scores whose largest is at the given classes."""
    made: np.ndarray = np.eye(of, dtype=np.float32)[np.asarray(classes)]
    return made


class TestClasses:
    def test_five_guesses_are_enough_for_top5(self) -> None:
        rising = np.arange(7, dtype=np.float32)[None].repeat(7, axis=0)

        found = compared(Metric.TOP5, rising, rising, range(7))

        assert found.after == pytest.approx(5 / 7)

    def test_of_equal_scores_the_first_counts_as_for_argmax(self) -> None:
        flat = np.zeros((6, 6))

        assert compared(Metric.TOP1, flat, flat, range(6)).after == pytest.approx(1 / 6)

    def test_positions_with_labels_below_zero_are_left_out(self) -> None:
        labels = [[0, 1, -100], [2, -1, -1]]
        right = scores([[0, 1, 5], [2, 0, 0]])
        half = scores([[0, 0, 5], [2, 0, 0]])

        found = compared(Metric.TOP1, right, half, labels)

        assert (found.before, found.after) == pytest.approx((1, 2 / 3))

    def test_labels_in_a_column_are_labels_of_samples(self) -> None:
        assert compared(Metric.TOP1, scores([0, 1]), scores([0, 2]), [[0], [1]]).after == 0.5

    def test_positions_of_one_sample_are_not_as_sure_as_samples(self) -> None:
        # each sample's positions are all right or all wrong: they are worth one sample
        chance = np.random.default_rng(0)
        labels = np.zeros((60, 20), int)
        wrong = (chance.random(60) < 0.2)[:, None] * np.ones((60, 20), int)

        together = compared(Metric.TOP1, scores(labels), scores(wrong), labels)
        apart = compared(Metric.TOP1, scores(labels.ravel()), scores(wrong.ravel()), labels.ravel())

        assert together.after == pytest.approx(apart.after)
        assert width(together) > 3 * width(apart)

    def test_f1_weighs_rare_classes_as_common_ones(self) -> None:
        labels = [0] * 98 + [1] * 2
        blind = [0] * 100

        found = compared(Metric.F1, scores(labels), scores(blind), labels)

        assert (found.before, found.after) == pytest.approx((1, (2 * 98 / 198 + 0) / 2))

    def test_f1_of_one_class_after_the_other_is_that_of_all_at_once(self) -> None:
        sklearn = pytest.importorskip("sklearn.metrics")
        chance = np.random.default_rng(1)
        labels, answers = chance.integers(0, 300, 4000), chance.integers(0, 300, 4000)
        answers[:3000] = labels[:3000]

        found = compared(Metric.F1, scores(labels, 300), scores(answers, 300), labels)

        wanted = sklearn.f1_score(labels, answers, average="macro", labels=np.unique(labels))
        assert found.after == pytest.approx(wanted)

    def test_what_is_no_number_is_never_right(self) -> None:
        broken = np.full((4, 6), np.nan)

        for metric in (Metric.TOP1, Metric.TOP5, Metric.F1):
            assert compared(metric, scores([0, 1, 2, 3]), broken, range(4)).after == 0


class TestValues:
    def test_errors_are_in_the_unit_of_the_labels(self) -> None:
        labels = [[1.0], [2.0], [3.0], [4.0]]
        near, far = [[1.5], [2.5], [2.5], [3.5]], [[1], [2], [3], [8]]

        mae = compared(Metric.MAE, near, far, labels, floats=True)
        rmse = compared(Metric.RMSE, near, far, labels, floats=True)

        assert (mae.before, mae.after, rmse.before, rmse.after) == pytest.approx((0.5, 1, 0.5, 2))

    def test_a_column_of_outputs_meets_a_row_of_labels(self) -> None:
        assert compared(Metric.MAE, [[1], [2]], [[1], [4]], [1, 2], floats=True).after == 1

    def test_the_mean_explains_nothing(self) -> None:
        labels = np.arange(10.0) + 2000
        mean = np.full(10, labels.mean())

        found = compared(Metric.R2, labels, mean, labels, floats=True)

        assert (found.before, found.after) == pytest.approx((1, 0), abs=1e-6)

    def test_what_is_no_number_is_as_wrong_as_can_be_and_still_a_number(self) -> None:
        found = compared(Metric.RMSE, [1.0, 2.0], [np.nan, np.inf], [1, 2], floats=True)

        assert found.after == pytest.approx(WORST)

    def test_a_direction_is_alike_whatever_its_length(self) -> None:
        before = np.array([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0]])

        assert compared(Metric.COSINE, before, 7 * before).after == pytest.approx(1)
        assert compared(Metric.COSINE, before, -before).after == pytest.approx(-1)

    def test_nothing_is_like_nothing(self) -> None:
        assert compared(Metric.COSINE, np.zeros((3, 4)), np.zeros((3, 4))).after == 1

    def test_no_number_is_like_nothing(self) -> None:
        assert compared(Metric.COSINE, np.ones((3, 4)), np.full((3, 4), np.nan)).after == 0


REFUSED = {
    "no labels": (Reason.INVALID_DATASET, Metric.MAE, scores([0, 1]), None, False),
    "labels with fractions, for classes": (
        Reason.INVALID_DATASET,
        Metric.TOP1,
        scores([0, 1]),
        [0.5, 1.0],
        True,
    ),
    "labels of other classes": (Reason.INVALID_DATASET, Metric.F1, scores([0, 1]), [0, 6], False),
    "labels that are all left out": (
        Reason.INVALID_DATASET,
        Metric.TOP1,
        scores([0, 1]),
        [-1, -1],
        False,
    ),
    "labels for positions, but one answer": (
        Reason.SHAPE_MISMATCH,
        Metric.TOP1,
        scores([0, 1]),
        [[0, 1], [1, 0]],
        False,
    ),
    "two values per sample, but one label": (
        Reason.SHAPE_MISMATCH,
        Metric.MAE,
        [[0, 1], [1, 0]],
        [1, 2],
        True,
    ),
    "labels that are all the same, whose variance nothing explains": (
        Reason.INVALID_DATASET,
        Metric.R2,
        [1, 2],
        [3, 3],
        True,
    ),
}


@pytest.mark.parametrize(
    ("reason", "metric", "output", "labels", "floats"), REFUSED.values(), ids=REFUSED
)
def test_what_does_not_fit_is_refused(
    reason: Reason, metric: Metric, output: Any, labels: Any, *, floats: bool
) -> None:
    with pytest.raises(BadInput) as stopped:
        compared(metric, output, output, labels, floats=floats)

    assert stopped.value.reason is reason


def width(found: Difference) -> float:
    return found.interval.high - found.interval.low


LABELLED: dict[Metric, bool] = {
    Metric.TOP1: False,
    Metric.TOP5: False,
    Metric.F1: False,
    Metric.MAE: True,
    Metric.RMSE: True,
    Metric.R2: True,
}


@pytest.mark.parametrize("metric", METRICS)
@given(seed=st.integers(0, 2**32 - 1), samples=st.integers(2, 40))
@settings(max_examples=8, deadline=None)
def test_a_difference_is_within_its_interval_and_the_same_in_every_run(
    metric: Metric, seed: int, samples: int
) -> None:
    chance = np.random.default_rng(seed)
    floats = LABELLED.get(metric, False)
    shape = (samples,) if floats else (samples, 6)
    before, after = chance.normal(size=shape), chance.normal(size=shape)
    labels = chance.normal(size=samples) if floats else chance.integers(0, 6, samples)

    found = compared(metric, before, after, labels, floats=floats)

    assert found == compared(metric, before, after, labels, floats=floats)
    assert found.interval.low <= found.interval.high
    # of few samples, the middle of the resamples may lie beside the figure, but not far
    slack = width(found)
    change = found.after - found.before
    assert found.interval.low - slack <= change <= found.interval.high + slack


SIMULATED = {
    "mean absolute errors": (Metric.MAE, lambda it, n: it.gamma(2.0, 1.0, n)),
    "root mean squared errors": (Metric.RMSE, lambda it, n: it.normal(size=n)),
}


@pytest.mark.parametrize(("metric", "noise"), SIMULATED.values(), ids=SIMULATED)
def test_an_interval_holds_the_truth_as_often_as_promised(metric: Metric, noise: Any) -> None:
    chance = np.random.default_rng(7)
    samples, runs, held = 150, 200, 0
    shared = noise(chance, 400_000)
    expected = 0.1 * (
        np.abs(shared).mean() if metric is Metric.MAE else np.sqrt((shared**2).mean())
    )
    for _ in range(runs):
        errors = noise(chance, samples)
        found = compared(metric, errors, 1.1 * errors, np.zeros(samples), floats=True)
        held += found.interval.low <= expected <= found.interval.high
    assert held >= 0.9 * runs


def test_an_interval_of_f1_holds_the_truth_as_often_as_promised() -> None:
    chance = np.random.default_rng(3)

    def drawn(samples: int) -> Difference:
        labels = chance.integers(0, 4, samples)
        wrong = (labels + 1) % 4
        before = np.where(chance.random(samples) < 0.05, wrong, labels)
        after = np.where(chance.random(samples) < 0.10, wrong, labels)
        return compared(Metric.F1, scores(before), scores(after), labels)

    found = [drawn(200) for _ in range(100)]

    # errors that shift each class to the next leave F1 at the share of right answers
    assert sum(it.interval.low <= -0.05 <= it.interval.high for it in found) >= 90


def test_ten_thousand_samples_take_no_longer_than_a_second() -> None:
    import time

    chance = np.random.default_rng(0)
    labels = chance.integers(0, 6, 10_000)

    start = time.process_time()
    compared(Metric.F1, scores(labels), scores(np.roll(labels, 1)), labels)

    assert time.process_time() - start < 3  # a second on an idle core


def test_resamples_draw_as_many_samples_as_there_are() -> None:
    drawn = np.concatenate(list(resampling.weights(50, 100)))

    assert drawn.shape == (100, 50)
    assert (drawn.sum(axis=1) == 50).all()
