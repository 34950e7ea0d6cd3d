"""Where memory is short, the same is learnt from parts of batches, and nothing else changes."""

import numpy as np
import pytest
import torch
from torch import nn

from lathe_steps.finetune import Finetune
from lathe_steps.toolchains.networks.models import architectures, model
from lathe_steps.toolchains.networks.training.course import Course
from lathe_steps.toolchains.training import Training
from tests.step_runs import Bench, Samples, digits

pytestmark = pytest.mark.toolchain


class Plain(nn.Sequential):
    """A model without chance and without normalisation."""

    def __init__(self) -> None:
        super().__init__(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))


def course(samples: int, size: int, *, lean: bool) -> Course:
    data = Samples("train", {"x": np.arange(samples)[:, None]}, np.arange(samples))
    settings = Training(dataset="train", batch_size=size)
    return Course("finetune", settings, data, 0, lambda *_: None, lean=lean)


PARTS = {
    "a batch as a whole where memory is not short": (False, 16, [16]),
    "a quarter at a time": (True, 16, [4, 4, 4, 4]),
    "what cannot be divided evenly": (True, 10, [2, 3, 2, 3]),
    "no part of a single sample": (True, 5, [2, 3]),
    "a batch of one sample": (True, 1, [1]),
}


@pytest.mark.parametrize(("lean", "size", "expected"), PARTS.values(), ids=PARTS)
def test_a_batch_goes_through_the_model_as(*, lean: bool, size: int, expected: list[int]) -> None:
    asked = course(size, size, lean=lean)
    (epoch,) = asked.epochs()
    (batch,) = asked.batches(epoch)

    parts = asked.parts(batch)

    assert [len(part.inputs["x"]) for _, part in parts] == expected
    assert sum(share for share, _ in parts) == pytest.approx(1)
    together = [part.labels for _, part in parts if part.labels is not None]
    assert batch.labels is not None
    assert np.array_equal(np.concatenate(together), batch.labels)


def test_training_in_parts_learns_the_same_up_to_rounding(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(architectures._OWN, "lathe.plain", Plain)
    bench.datasets = {"train": digits("train", 0, 150)}
    network = bench.network("lathe.plain")
    step = Finetune(dataset="train", epochs=2, batch_size=32)

    whole, parts = (
        step.apply(network, bench.context(source=network, lean=lean)) for lean in (False, True)
    )

    learnt = [model.load(each).module.state_dict() for each in (whole, parts)]
    before = model.load(network).module.state_dict()
    for name, weights in learnt[0].items():
        assert torch.allclose(weights, learnt[1][name], atol=1e-5)
        assert not torch.allclose(weights, before[name], atol=1e-5)
    assert whole.facts["updates"] == parts.facts["updates"]
    assert whole.facts["loss_last"] == pytest.approx(parts.facts["loss_last"], rel=1e-4)
