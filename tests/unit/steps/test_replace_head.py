"""Another head: which ones are replaced, by what, and what is left alone."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from lathe_steps.base import Artifact, TensorSpec
from lathe_steps.errors import Internal, InvalidSpec
from lathe_steps.finetune import Finetune
from lathe_steps.prune import Prune
from lathe_steps.reasons import Reason
from lathe_steps.replace_head import ReplaceHead
from lathe_steps.toolchains.networks.models import architectures, model
from tests.step_runs import Bench, Samples, accuracy, run

pytestmark = pytest.mark.toolchain


class OneLayer(nn.Module):
    """A convolution, and one layer that takes its image, flattened in forward."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.relu, self.fc = nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Linear(288, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.fc(self.relu(self.conv(x)).flatten(1))
        return scores


class ThreeLayers(nn.Module):
    """A head of three layers, with calls between them that are no modules."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
        self.one, self.two, self.three = nn.Linear(288, 99), nn.Linear(99, 50), nn.Linear(50, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.relu(self.one(self.body(x).flatten(1)))
        scores: torch.Tensor = self.three(functional.relu(self.two(x)))
        return scores


class TwoHeads(OneLayer):
    """Two layers that take the same image."""

    def __init__(self) -> None:
        super().__init__()
        self.other = nn.Linear(288, 3)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:  # type: ignore[override]
        x = self.relu(self.conv(x)).flatten(1)
        return self.fc(x), self.other(x)


class OneRelu(OneLayer):
    """The module before the head is used elsewhere too."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(self.relu(x))


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in (OneLayer, ThreeLayers, TwoHeads, OneRelu):
        monkeypatch.setitem(architectures._OWN, f"lathe.{kind.__name__}", kind)


def replaced(bench: Bench, ref: str) -> Artifact:
    return ReplaceHead().apply(bench.network(ref), bench.context())


def test_one_layer_begins_with_what_the_old_one_knew(bench: Bench) -> None:
    flat = bench.network("lathe.OneLayer")
    even = {"x": np.full((2, 1, 8, 8), 0.7, np.float32)}  # the same everywhere

    pooled = ReplaceHead().apply(flat, bench.context())

    assert np.allclose(run(pooled, even)["output"], run(flat, even)["output"], atol=1e-4)
    assert pooled.facts["fresh_weights"] == 0
    assert pooled.facts["params"] == 8 * 9 + 8 + 8 * 10 + 10


def test_several_layers_become_one_that_has_to_learn(bench: Bench) -> None:
    pooled = replaced(bench, "lathe.ThreeLayers")

    assert pooled.facts["fresh_weights"] == 8 * 10 + 10
    assert pooled.facts["needs"] == "training"
    assert pooled.facts["params"] == 8 * 9 + 8 + 16 + 8 * 10 + 10
    assert run(pooled, {"x": np.zeros((2, 1, 8, 8), np.float32)})["output"].shape == (2, 10)


def test_it_learns_and_is_pruned(bench: Bench) -> None:
    val = bench.datasets["val"]
    assert isinstance(val, Samples)

    pooled = replaced(bench, "lathe.ThreeLayers")
    course = {"dataset": "train", "epochs": 10, "learningRate": 0.02}
    taught = Finetune.model_validate(course).apply(pooled, bench.context())
    half = Prune.model_validate({"target": {"params": 0.6}, "roundTo": 1})

    assert accuracy(pooled, val) < 0.3 < accuracy(taught, val)
    assert float(half.apply(taught, bench.context()).facts["params"]) <= 0.6 * 186


def test_the_head_of_alexnet(bench: Bench) -> None:
    bench.inputs = (TensorSpec("x", "float32", ("batch", 3, 64, 64)),)
    torch.manual_seed(0)
    fresh = model.fresh("torchvision.alexnet", {"num_classes": 10}, bench.inputs)
    network = model.save(fresh, bench.folder())

    pooled = ReplaceHead().apply(network, bench.context())

    assert float(pooled.facts["params"]) < 0.1 * float(pooled.facts["params_before"])
    assert pooled.facts["head"] == "classifier.6"


NO_HEAD = {"a head that pools already": "lathe.small_cnn", "a model without images": "lathe.mlp"}


@pytest.mark.parametrize("ref", NO_HEAD.values(), ids=NO_HEAD)
def test_there_is_nothing_to_replace(bench: Bench, ref: str) -> None:
    bench.inputs = (TensorSpec("x", "float32", ("batch", 64)),) if "mlp" in ref else bench.inputs

    with pytest.raises(InvalidSpec):
        replaced(bench, ref)


ENTANGLED = {
    "two heads for one image": "lathe.TwoHeads",
    "a module before it that is used elsewhere": "lathe.OneRelu",
}


@pytest.mark.parametrize("ref", ENTANGLED.values(), ids=ENTANGLED)
def test_a_head_that_is_entangled_is_refused(bench: Bench, ref: str) -> None:
    with pytest.raises(Internal) as refusal:
        replaced(bench, ref)

    assert refusal.value.reason is Reason.UNSUPPORTED_MODEL
