"""One number for a candidate: labels where there are any, else what the reference answers."""

from collections.abc import Mapping

import numpy as np
import pytest

from lathe_steps.errors import BadInput
from lathe_steps.toolchains.judging import Answer, Judge
from tests.step_runs import Samples

CLASSES = np.array([0, 1, 2, 0, 1, 2])
X = {"x": np.eye(3, dtype=np.float32)[CLASSES]}


def always(answer: int) -> Answer:
    return lambda inputs: np.eye(3)[[answer] * len(inputs["x"])]


def right(inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    return inputs["x"]


def test_with_labels_it_is_the_share_that_is_right() -> None:
    judge = Judge(Samples("val", X, CLASSES), 100, right)

    assert (judge.metric, judge.samples, judge.reference) == ("Top1", 6, 1.0)
    assert judge.quality(always(0)) == pytest.approx(1 / 3)


def test_without_labels_it_is_the_share_of_the_references_answers() -> None:
    judge = Judge(Samples("val", X), 100, always(2))

    assert (judge.metric, judge.reference) == ("Agreement", 1.0)
    assert judge.quality(right) == pytest.approx(1 / 3)


def test_samples_with_a_negative_label_do_not_count() -> None:
    labels = np.where(CLASSES == 0, -100, CLASSES)

    assert Judge(Samples("val", X, labels), 100, right).quality(always(1)) == 0.5


def test_labels_of_another_shape_are_bad_input() -> None:
    with pytest.raises(BadInput):
        Judge(Samples("val", X, CLASSES[:, None]), 100, right)
