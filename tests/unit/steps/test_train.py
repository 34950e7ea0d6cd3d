"""Training steps: finetune and distill."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lathe_steps.base import Artifact
from lathe_steps.distill import Distill
from lathe_steps.errors import BadInput, Internal, Stopped
from lathe_steps.finetune import Finetune
from lathe_steps.prune import Prune
from lathe_steps.reasons import Reason
from lathe_steps.toolchains.networks import architectures, model
from lathe_steps.toolchains.networks.schedules import rate
from lathe_steps.toolchains.networks.trainer import Course
from lathe_steps.toolchains.training import Training
from tests.step_runs import Bench, Samples, accuracy, digits

pytestmark = pytest.mark.toolchain

VAL = digits("val", 500, 900)


def finetuned(bench: Bench, artifact: Artifact | None = None, **asked: Any) -> Artifact:
    step = Finetune.model_validate({"dataset": "train", "learningRate": 0.01, **asked})
    return step.apply(artifact or bench.network(width=8), bench.context())


WAYS = {
    "with AdamW": {},
    "with SGD": {"optimizer": "SGD", "learningRate": 0.05},
    "at a constant rate": {"schedule": "Constant"},
    "with a forward pass in 16 bits": {"precision": "BF16"},
}


@pytest.mark.parametrize("asked", WAYS.values(), ids=WAYS)
def test_it_learns(bench: Bench, asked: dict[str, Any]) -> None:
    trained = finetuned(bench, epochs=5, batchSize=16, **asked)

    assert accuracy(trained, VAL) > 0.85
    assert float(trained.facts["loss_last"]) < float(trained.facts["loss_first"])
    assert not model.load(trained).module.training


def test_the_same_seed_gives_the_same_bytes(bench: Bench) -> None:
    once, again = finetuned(bench, epochs=2), finetuned(bench, epochs=2)

    assert once.main.read_bytes() == again.main.read_bytes()


def test_progress_is_told_at_most_a_hundred_times_and_ends_at_one(bench: Bench) -> None:
    finetuned(bench, epochs=3, batchSize=8)

    shares = [share for share, _ in bench.told]
    assert len(shares) <= 100
    assert shares == sorted(shares)
    assert shares[-1] == 1


COUNTS = {
    "all batches of all epochs": (3 * 2, 24, {"epochs": 2, "batch_size": 8}),
    "a last batch that is smaller": (3, 20, {"batch_size": 8}),
    "no last batch of a single sample": (2, 17, {"batch_size": 8}),
    "a data set of one sample": (1, 1, {"batch_size": 8}),
    "batches of one sample": (5, 5, {"batch_size": 1}),
    "not more than maxSteps": (4, 24, {"epochs": 9, "batch_size": 8, "max_steps": 4}),
}


@pytest.mark.parametrize(("expected", "samples", "asked"), COUNTS.values(), ids=COUNTS)
def test_it_trains_on(expected: int, samples: int, asked: dict[str, Any]) -> None:
    data = Samples("train", {"x": np.zeros((samples, 1))})
    course = Course("finetune", Training(dataset="train", **asked), data, 0, lambda *_: None)

    assert course.updates == expected
    assert sum(len(list(course.batches(epoch))) for epoch in course.epochs()) == expected


def test_the_rate_warms_up_peaks_and_falls_to_zero() -> None:
    settings = Training(dataset="train", learning_rate=1.0)

    rates = [rate(settings, done, 100) for done in range(100)]

    assert rates[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert rates[5:] == sorted(rates[5:], reverse=True)
    assert rates[-1] < 0.001


def test_a_loss_that_is_no_number_names_the_rate(bench: Bench) -> None:
    huge = np.full((16, 1, 8, 8), 1e38, np.float32)
    bench.datasets = {"train": Samples("train", {"x": huge}, np.zeros(16, np.int64))}

    with pytest.raises(Internal) as stop:
        finetuned(bench, bench.network("lathe.mlp"))

    assert stop.value.reason is Reason.STEP_FAILED
    assert "learningRate" in stop.value.message


def test_distillation_recovers_a_pruned_model_without_labels(bench: Bench) -> None:
    teacher = finetuned(bench, epochs=5, batchSize=16)
    pruned = Prune.model_validate({"target": {"params": 0.6}, "roundTo": 2}).apply(
        teacher, bench.context()
    )
    bench.datasets = {"train": digits("train", 0, 400, labels=False)}

    student = Distill(dataset="train", alpha=1, epochs=5, batch_size=16, learning_rate=0.01).apply(
        pruned, bench.context(source=teacher)
    )

    assert accuracy(student, VAL) > accuracy(teacher, VAL) - 0.05
    assert accuracy(student, VAL) > accuracy(pruned, VAL)


def test_an_equal_student_has_nothing_to_learn_from_its_teacher(bench: Bench) -> None:
    teacher = finetuned(bench, epochs=1)

    student = Distill(dataset="train", alpha=1, max_steps=1, precision="FP32").apply(
        teacher, bench.context(source=teacher)
    )

    # the student's normalisations see the batch, the teacher's what they learned
    assert float(student.facts["loss_first"]) < 5


def images(count: int = 16, size: int = 8) -> dict[str, np.ndarray]:
    return {"x": np.zeros((count, 1, size, size), np.float32)}


BAD_DATA: dict[str, tuple[type[Stopped], Reason, Samples]] = {
    "labels beyond the classes": (
        BadInput,
        Reason.INVALID_DATASET,
        Samples("train", images(), np.full(16, 10)),
    ),
    "as many numbers as there are samples, for ten scores of each": (
        BadInput,
        Reason.INVALID_DATASET,
        Samples("train", images(), np.full(16, 0.5)),
    ),
    "no labels": (BadInput, Reason.INVALID_DATASET, Samples("train", images())),
    "samples of another shape": (
        BadInput,
        Reason.SHAPE_MISMATCH,
        Samples("train", images(size=9), np.zeros(16, np.int64)),
    ),
    "no array for an input": (
        BadInput,
        Reason.INVALID_DATASET,
        Samples("train", {"y": np.zeros((16, 1))}, np.zeros(16, np.int64)),
    ),
}


@pytest.mark.parametrize(("error", "reason", "data"), BAD_DATA.values(), ids=BAD_DATA)
def test_it_refuses(bench: Bench, error: type[Stopped], reason: Reason, data: Samples) -> None:
    bench.datasets = {"train": data}

    with pytest.raises(error) as refusal:
        finetuned(bench)

    assert refusal.value.reason is reason


def test_weights_decay_but_biases_and_normalisations_do_not(bench: Bench) -> None:
    artifact = bench.network(width=8)
    asked = {"learningRate": 1e-9, "weightDecay": 1.0, "maxSteps": 1, "schedule": "Constant"}
    before = model.load(artifact).module

    after = model.load(finetuned(bench, artifact, **asked)).module

    for (name, was), now in zip(before.named_parameters(), after.parameters(), strict=True):
        assert np.allclose(was.detach(), now.detach(), rtol=1e-6, atol=1e-7), name


class WithHead(nn.Module):
    """A model with a head that only its authors' training used, and that fails on small images."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(64, 10)
        self.head = nn.Sequential(nn.Conv2d(1, 1, 20))

    def forward(self, x: torch.Tensor) -> Any:
        if self.training:
            return self.last(x.flatten(1)), self.head(x)
        return self.last(x.flatten(1))


def test_heads_of_earlier_training_are_removed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(architectures._OWN, "lathe.headed", WithHead)

    trained = finetuned(bench, bench.network("lathe.headed"))

    assert trained.facts["params"] == 64 * 10 + 10
