"""Training on labels: the loop that all training steps share."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lathe_steps.base import Artifact, TensorSpec
from lathe_steps.errors import BadInput, Internal, Stopped
from lathe_steps.finetune import Finetune
from lathe_steps.reasons import Reason
from lathe_steps.toolchains.networks.models import architectures, model
from lathe_steps.toolchains.networks.training.schedules import rate
from lathe_steps.toolchains.networks.training.trainer import Course
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


def rates(schedule: str, updates: int = 100, **asked: Any) -> list[float]:
    settings = Training.model_validate(
        {"dataset": "train", "learningRate": 1.0, "schedule": schedule, **asked}
    )
    return [rate(settings, done, updates) for done in range(updates)]


@pytest.mark.parametrize("schedule", ["Cosine", "Linear", "Constant"])
def test_the_rate_warms_up_and_peaks(schedule: str) -> None:
    found = rates(schedule)

    assert found[:6] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0], abs=0.001)
    assert max(found) == 1.0


@pytest.mark.parametrize(("schedule", "last"), [("Cosine", 0.001), ("Linear", 0.011)])
def test_the_rate_falls_to_zero(schedule: str, last: float) -> None:
    found = rates(schedule)

    assert found[5:] == sorted(found[5:], reverse=True)
    assert 0 < found[-1] < last


def test_a_constant_rate_does_not_fall() -> None:
    assert set(rates("Constant", warmUp=0)) == {1.0}


@pytest.mark.parametrize("schedule", ["Cosine", "Linear", "Constant"])
def test_a_training_of_one_update_is_at_the_full_rate(schedule: str) -> None:
    assert rates(schedule, updates=1, warmUp=0.5) == [1.0]


def test_batches_grow_to_their_largest_size() -> None:
    asked = {
        "epochs": 6,
        "batchSize": 10,
        "batchGrowth": {"factor": 3, "everyEpochs": 2, "max": 50},
    }
    data = Samples("train", {"x": np.zeros((100, 1))})
    settings = Training.model_validate({"dataset": "train", **asked})

    course = Course("finetune", settings, data, 0, lambda *_: None)

    epochs = list(course.epochs())
    assert [epoch.size for epoch in epochs] == [10, 10, 30, 30, 50, 50]
    assert [epoch.batches for epoch in epochs] == [10, 10, 4, 4, 2, 2]
    sizes = [len(batch.inputs["x"]) for epoch in epochs for batch in course.batches(epoch)]
    assert sizes == [10] * 20 + [30, 30, 30, 10] * 2 + [50] * 4


def moved(before: Artifact, after: Artifact) -> float:
    """How far weights have gone."""
    pairs = zip(
        model.load(before).module.parameters(), model.load(after).module.parameters(), strict=True
    )
    return math.sqrt(sum(float((now - was).detach().square().sum()) for was, now in pairs))


def test_a_long_gradient_is_cut_to_the_length_that_it_may_have(bench: Bench) -> None:
    artifact = bench.network("lathe.mlp")
    asked = {"optimizer": "SGD", "weightDecay": 0, "maxSteps": 1, "learningRate": 1.0}

    free = finetuned(bench, artifact, **asked)
    clipped = finetuned(bench, artifact, clipNorm=0.01, **asked)

    # the first step with Nesterov momentum 0.9 is 1.9 gradients long
    assert moved(artifact, clipped) == pytest.approx(1.9 * 0.01, rel=1e-3)
    assert moved(artifact, free) > 0.1


def test_another_seed_is_another_training(bench: Bench) -> None:
    artifact = bench.network("lathe.mlp")

    one, other = finetuned(bench, artifact, seed=1), finetuned(bench, artifact, seed=2)

    assert one.main.read_bytes() != other.main.read_bytes()


class Tagger(nn.Module):
    """A class for each of eight positions."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 10)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        scores = self.layer(x.squeeze(1))
        return {"scores": scores, "more": scores.sum(-1)}


def test_it_learns_a_class_for_each_position(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(architectures._OWN, "lathe.tagger", Tagger)
    rows = digits("train", 0, 200).inputs["x"]
    brightest = rows.squeeze(1).argmax(-1)
    brightest[:, 0] = -100
    bench.datasets = {"train": Samples("train", {"x": rows}, brightest)}

    trained = finetuned(bench, bench.network("lathe.tagger"), epochs=10, learningRate=0.05)

    assert float(trained.facts["loss_last"]) < 0.5 * float(trained.facts["loss_first"])


class TwoInputs(nn.Module):
    """A number from two inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 1)

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.layer(torch.stack([a, b], dim=1))
        return found


def test_it_learns_numbers_from_two_inputs(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(architectures._OWN, "lathe.two", TwoInputs)
    bench.inputs = (TensorSpec("a", "float32", ("n",)), TensorSpec("b", "float32", ("n",)))
    a, b = np.random.default_rng(0).normal(size=(2, 256)).astype(np.float32)
    bench.datasets = {"train": Samples("train", {"a": a, "b": b}, 2 * a - b + 1)}

    trained = finetuned(
        bench, bench.network("lathe.two"), epochs=30, learningRate=0.1, weightDecay=0
    )

    assert float(trained.facts["loss_last"]) < 1e-3
    weights = model.load(trained).module.get_parameter("layer.weight").detach()
    assert weights.tolist()[0] == pytest.approx([2, -1], abs=0.02)


def test_a_loss_that_is_no_number_names_the_rate(bench: Bench) -> None:
    huge = np.full((16, 1, 8, 8), 1e38, np.float32)
    bench.datasets = {"train": Samples("train", {"x": huge}, np.zeros(16, np.int64))}

    with pytest.raises(Internal) as stop:
        finetuned(bench, bench.network("lathe.mlp"))

    assert stop.value.reason is Reason.STEP_FAILED
    assert "learningRate" in stop.value.message


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
