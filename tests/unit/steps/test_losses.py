"""What training makes small: labels of any rank, numbers, and a teacher's answers."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from lathe_steps.base import Batch
from lathe_steps.errors import BadInput, InvalidSpec
from lathe_steps.reasons import Reason
from lathe_steps.toolchains.networks.training import losses
from lathe_steps.toolchains.training import LossKind

pytestmark = pytest.mark.toolchain

SCORES = torch.tensor([[2.0, 0.0, -1.0], [0.5, 0.5, 3.0], [0.0, 1.0, 0.0], [1.0, 2.0, 3.0]])
CLASSES = np.array([0, 2, 1, 0])
TOKENS = SCORES.view(2, 2, 3)


def labelled(labels: np.ndarray | None, scores: torch.Tensor, **asked: Any) -> float:
    return float(losses.labelled(**asked)(scores, {}, Batch({}, labels)))


EXPECTED = float(functional.cross_entropy(SCORES, torch.from_numpy(CLASSES)))
WITHOUT_LAST = float(functional.cross_entropy(SCORES[:3], torch.from_numpy(CLASSES[:3])))

SUPERVISED: dict[str, tuple[float, np.ndarray, torch.Tensor, Mapping[str, Any]]] = {
    "one class for each sample": (EXPECTED, CLASSES, SCORES, {}),
    "one class for each position": (EXPECTED, CLASSES.reshape(2, 2), TOKENS, {}),
    "classes in 8 bits": (EXPECTED, CLASSES.astype(np.uint8), SCORES, {}),
    "no class, marked by what is below 0": (
        WITHOUT_LAST,
        np.array([[0, 2], [1, -100]]),
        TOKENS,
        {},
    ),
    "no class at all": (0.0, np.full(4, -1), SCORES, {}),
    "smoothed classes": (
        float(functional.cross_entropy(SCORES, torch.from_numpy(CLASSES), label_smoothing=0.2)),
        CLASSES,
        SCORES,
        {"smoothing": 0.2},
    ),
    "numbers": (1.5**2, SCORES.numpy() + np.float32(1.5), SCORES, {}),
    "numbers in 64 bits": (1.5**2, SCORES.numpy().astype(np.float64) + 1.5, SCORES, {}),
    "one number for each sample, without an axis of its own": (
        2.0**2,
        SCORES[:, 0].numpy() + np.float32(2),
        SCORES[:, :1],
        {},
    ),
    "integers that are numbers, by request": (
        0.5,
        np.array([0, 1]),
        torch.tensor([[1.0], [1.0]]),
        {"kind": "MeanSquaredError"},
    ),
}


@pytest.mark.parametrize(
    ("expected", "labels", "scores", "asked"), SUPERVISED.values(), ids=SUPERVISED
)
def test_it_learns_from(
    expected: float, labels: np.ndarray, scores: torch.Tensor, asked: Mapping[str, Any]
) -> None:
    assert labelled(labels, scores, **asked) == pytest.approx(expected, rel=1e-6)


UNFIT: dict[str, tuple[np.ndarray | None, torch.Tensor, LossKind]] = {
    "no labels": (None, SCORES, "Auto"),
    "a class that the model does not have": (np.array([0, 1, 2, 3]), SCORES, "Auto"),
    "one class for each position, of a model that gives one for each sample": (
        CLASSES.reshape(2, 2),
        SCORES,
        "Auto",
    ),
    "one class for each sample, of a model that gives one for each position": (
        np.array([0, 1]),
        TOKENS,
        "Auto",
    ),
    "numbers of another shape": (np.zeros((4, 2)), SCORES, "Auto"),
    "numbers where classes are asked for": (np.zeros(4), SCORES, "CrossEntropy"),
}


@pytest.mark.parametrize(("labels", "scores", "kind"), UNFIT.values(), ids=UNFIT)
def test_labels_that_do_not_fit_are_refused_by_the_name_of_their_data_set(
    labels: np.ndarray | None, scores: torch.Tensor, kind: LossKind
) -> None:
    loss = losses.named(losses.labelled(kind), "scans")

    with pytest.raises(BadInput) as refusal:
        loss(scores, {}, Batch({}, labels))

    assert refusal.value.reason is Reason.INVALID_DATASET
    assert refusal.value.message.startswith("scans: ")


def test_smoothing_of_numbers_is_refused() -> None:
    with pytest.raises(InvalidSpec):
        labelled(np.zeros((4, 3)), SCORES, smoothing=0.1)


class Answers(torch.nn.Module):
    """A teacher that always gives the same."""

    def __init__(self, scores: torch.Tensor) -> None:
        super().__init__()
        self.scores = scores

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # noqa: ARG002 - whatever it is asked
        return self.scores


def taught(
    scores: torch.Tensor, wanted: torch.Tensor, labels: np.ndarray | None, **asked: Any
) -> float:
    options: dict[str, Any] = {"kind": "Auto", "temperature": 1.0, "alpha": 1.0, **asked}
    loss = losses.taught(losses.Teacher(Answers(wanted)), losses.labelled(), **options)
    return float(loss(scores, {"x": torch.zeros(1)}, Batch({}, labels)))


WANTED = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 2.0], [0.0, 3.0, 0.0], [1.0, 1.0, 1.0]])


def divergence(scores: torch.Tensor, wanted: torch.Tensor) -> float:
    """By its definition: the sum over classes of p log(p / q), the mean over rows."""
    p, q = wanted.softmax(-1), scores.softmax(-1)
    return float((p * (p / q).log()).sum(-1).mean())


def test_a_student_that_answers_as_its_teacher_has_nothing_to_learn() -> None:
    assert taught(SCORES, SCORES, None, temperature=4.0) == pytest.approx(0, abs=1e-6)


def test_the_divergence_is_that_of_softened_answers_times_the_square_of_t() -> None:
    expected = 16 * divergence(SCORES / 4, WANTED / 4)

    assert taught(SCORES, WANTED, None, temperature=4.0) == pytest.approx(expected, rel=1e-5)


def test_positions_are_as_many_samples() -> None:
    expected = divergence(SCORES, WANTED)

    assert taught(TOKENS, WANTED.view(2, 2, 3), None) == pytest.approx(expected, rel=1e-5)


def test_positions_without_a_class_are_left_out() -> None:
    labels = np.array([[0, 2], [1, -100]])

    found = taught(TOKENS, WANTED.view(2, 2, 3), labels)

    assert found == pytest.approx(divergence(SCORES[:3], WANTED[:3]), rel=1e-5)


def test_alpha_weighs_the_teacher_against_labels() -> None:
    expected = 0.25 * divergence(SCORES, WANTED) + 0.75 * EXPECTED

    assert taught(SCORES, WANTED, CLASSES, alpha=0.25) == pytest.approx(expected, rel=1e-5)


NUMBERS: dict[str, np.ndarray | None] = {
    "labels that are numbers": np.zeros(4, np.float32),
    "no labels, and a single number from the model": None,
}


@pytest.mark.parametrize("labels", NUMBERS.values(), ids=NUMBERS)
def test_numbers_are_taught_by_their_squared_distance(labels: np.ndarray | None) -> None:
    found = taught(SCORES[:, :1], SCORES[:, :1] + 2, labels, temperature=4.0)

    assert found == pytest.approx(4.0)
