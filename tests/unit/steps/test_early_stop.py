"""Early stop: training ends when samples apart get no better, with the best weights."""

from typing import Any

import numpy as np
import pytest

from lathe_steps.base import Artifact
from lathe_steps.errors import BadInput
from lathe_steps.evidence import Curve
from lathe_steps.finetune import Finetune
from lathe_steps.reasons import Reason
from lathe_steps.toolchains.networks.models import model
from tests.step_runs import Bench, Samples, digits

pytestmark = pytest.mark.toolchain


def finetuned(bench: Bench, artifact: Artifact, early: dict[str, Any], **asked: Any) -> Artifact:
    step = Finetune.model_validate(
        {
            "dataset": "train",
            "batchSize": 32,
            "learningRate": 0.01,
            "earlyStop": {"dataset": "early", **early},
            **asked,
        }
    )
    return step.apply(artifact, bench.context())


def curve(artifact: Artifact, title: str) -> tuple[float, ...]:
    (found,) = (c for c in artifact.evidence if isinstance(c, Curve) and c.title == title)
    return tuple(value for _, value in found.points)


@pytest.fixture(autouse=True)
def _small(bench: Bench) -> None:
    bench.datasets = {"train": digits("train", 0, 128), "early": digits("early", 500, 700)}


def test_both_data_sets_are_asked_for() -> None:
    step = Finetune.model_validate({"dataset": "train", "earlyStop": {"dataset": "early"}})

    assert step.dataset_names() == ("train", "early")


def test_what_was_seen_is_shown_from_before_the_first_epoch_on(bench: Bench) -> None:
    trained = finetuned(bench, bench.network("lathe.mlp"), {}, epochs=4)

    losses, right = curve(trained, "loss on early"), curve(trained, "Top1 on early")
    assert len(losses) == len(right) == 5
    assert trained.facts["validation_loss"] == min(losses)
    assert losses[int(trained.facts["best_epoch"])] == min(losses)
    assert right[-1] > right[0]
    assert len(curve(trained, "training loss")) == 4 * 4


def worse() -> Samples:
    """Labels of which training makes the answers ever worse."""
    right = digits("early", 500, 700)
    assert right.labels is not None
    return Samples("early", right.inputs, (right.labels + 1) % 10)


def test_it_stops_after_its_patience_and_goes_back_to_the_weights_before(bench: Bench) -> None:
    good = finetuned(bench, bench.network("lathe.mlp"), {}, epochs=3)
    bench.datasets = {**bench.datasets, "early": worse()}

    trained = finetuned(bench, good, {"patience": 2}, epochs=50, schedule="Constant", warmUp=0)

    assert trained.facts["updates"] == 2 * 4
    assert trained.facts["best_epoch"] == 0
    assert trained.main.read_bytes() == good.main.read_bytes()
    assert bench.told[-1][0] == 1


def test_what_falls_by_less_than_it_should_is_no_new_best(bench: Bench) -> None:
    trained = finetuned(
        bench, bench.network("lathe.mlp"), {"patience": 1, "minDelta": 1000}, epochs=9
    )

    assert trained.facts["updates"] == 4
    assert trained.facts["best_epoch"] == 0


def test_a_pass_that_is_cut_short_is_looked_at_too(bench: Bench) -> None:
    trained = finetuned(bench, bench.network("lathe.mlp"), {}, epochs=9, maxSteps=6)

    assert trained.facts["updates"] == 6
    assert len(curve(trained, "loss on early")) == 3


def test_it_looks_at_no_more_samples_than_it_should(bench: Bench) -> None:
    class Counted(Samples):
        asked: list[int | None] = []  # noqa: RUF012 - one for the test

        def batches(
            self, size: int, *, shuffle: int | None = None, limit: int | None = None
        ) -> Any:
            self.asked.append(limit)
            return super().batches(size, shuffle=shuffle, limit=limit)

    early = digits("early", 500, 700)
    bench.datasets = {**bench.datasets, "early": Counted("early", early.inputs, early.labels)}

    finetuned(bench, bench.network("lathe.mlp"), {"samples": 50})

    assert Counted.asked == [50, 50]


def test_the_statistics_of_normalisations_are_gone_back_to_as_well(bench: Bench) -> None:
    good = finetuned(bench, bench.network(width=4), {}, epochs=2)
    bench.datasets = {**bench.datasets, "early": worse()}

    trained = finetuned(bench, good, {"patience": 1}, epochs=5, schedule="Constant")

    before, after = model.load(good).module.state_dict(), model.load(trained).module.state_dict()
    assert trained.facts["best_epoch"] == 0
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_samples_without_labels_are_refused_before_anything_is_learned(bench: Bench) -> None:
    bench.datasets = {**bench.datasets, "early": digits("early", 500, 700, labels=False)}

    with pytest.raises(BadInput) as refusal:
        finetuned(bench, bench.network("lathe.mlp"), {}, epochs=9)

    assert refusal.value.reason is Reason.INVALID_DATASET
    assert "early" in refusal.value.message
    assert bench.told == []
