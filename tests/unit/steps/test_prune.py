"""Pruning: how much is left, what stays, and that the rest computes what it should."""

from typing import Any

import pytest
import torch
from torch import nn

from lathe_steps.base import Artifact, TensorSpec
from lathe_steps.errors import Internal, InvalidSpec
from lathe_steps.prune import Prune
from lathe_steps.reasons import Reason
from lathe_steps.toolchains.networks.models import architectures, model
from lathe_steps.toolchains.networks.pruning import channels
from tests.step_runs import Bench
from tests.zoo import pruned_and_stored

pytestmark = pytest.mark.toolchain


def half(**changes: Any) -> Prune:
    return Prune.model_validate({"target": {"params": 0.5}, **changes})


class Flattens(nn.Sequential):
    """A convolution whose flattened image a linear layer takes, as in VGG."""

    def __init__(self) -> None:
        layers = (nn.Conv2d(3, 16, 3, 4), nn.ReLU(), nn.Flatten(), nn.Linear(4096, 64))
        super().__init__(*layers, nn.ReLU(), nn.Linear(64, 10))


ZOO = {
    "residual blocks": "torchvision.resnet18",
    "inverted residuals": "torchvision.mobilenet_v2",
    "squeeze and excitation": "torchvision.mobilenet_v3_small",
    "a convolution as the classifier": "torchvision.squeezenet1_1",
    "a channel shuffle": "torchvision.shufflenet_v2_x0_5",
    "modules with a version": "torchvision.mnasnet0_5",
    "grouped convolutions": "torchvision.regnet_y_400mf",
    "a flattened image": "lathe.flattens",
}


@pytest.mark.parametrize("ref", ZOO.values(), ids=ZOO)
def test_it_prunes_and_stores(bench: Bench, ref: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(architectures._OWN, "lathe.flattens", Flattens)
    share = 0.75 if "shuffle" in ref else 0.5

    pruned_and_stored(bench, ref, share)


CHOICES = {
    "by operations": {"target": {"flops": 0.5}},
    "within each layer": {"target": {"params": 0.5}, "scope": "Local"},
    "in three passes": {"target": {"params": 0.5}, "iterations": 3},
    "by the other norm": {"target": {"params": 0.5}, "importance": "L1"},
    "by normalisations": {"target": {"params": 0.5}, "importance": "BNScale"},
    "by chance": {"target": {"params": 0.5}, "importance": "Random"},
    "to any number of channels": {"target": {"params": 0.5}, "roundTo": 1},
}


@pytest.mark.parametrize("asked", CHOICES.values(), ids=CHOICES)
def test_it_chooses(bench: Bench, asked: dict[str, Any]) -> None:
    pruned = Prune.model_validate(asked).apply(bench.network(), bench.context())

    measure = "macs" if "flops" in asked["target"] else "params"
    share = float(pruned.facts[measure]) / float(pruned.facts[f"{measure}_before"])
    assert 0.42 < share <= 0.5


def widths(artifact: Artifact) -> dict[str, int]:
    return {
        name: layer.out_channels
        for name, layer in model.load(artifact).module.named_modules()
        if isinstance(layer, nn.Conv2d)
    }


def test_widths_are_multiples(bench: Bench) -> None:
    pruned = half(roundTo=16).apply(bench.network(), bench.context())

    assert {width % 16 for width in widths(pruned).values()} == {0}


def test_ignored_layers_keep_their_outputs(bench: Bench) -> None:
    artifact = bench.network()

    pruned = half(ignore=["stages.1.*"]).apply(artifact, bench.context())

    kept = {n for n, width in widths(artifact).items() if widths(pruned)[n] == width}
    assert {n for n in kept if n.startswith("stages.1.")} == {
        n for n in widths(artifact) if n.startswith("stages.1.")
    }
    assert kept != set(widths(artifact))


def test_the_same_seed_removes_the_same_channels_by_chance(bench: Bench) -> None:
    artifact = bench.network()

    weights = [
        half(importance="Random").apply(artifact, bench.context(seed=seed)).main.read_bytes()
        for seed in (1, 1, 2)
    ]

    assert weights[0] == weights[1] != weights[2]


REFUSED = {
    "a share that cannot be reached": {"target": {"params": 0.001}},
    "a share that everything ignored cannot reach": {"ignore": ["*"]},
    "an entry of ignore that matches nothing": {"ignore": ["layer9.*"]},
}


@pytest.mark.parametrize("asked", REFUSED.values(), ids=REFUSED)
def test_it_refuses(bench: Bench, asked: dict[str, Any]) -> None:
    with pytest.raises(InvalidSpec):
        half(**asked).apply(bench.network(), bench.context())


def test_importance_by_normalisation_needs_normalisations(bench: Bench) -> None:
    with pytest.raises(InvalidSpec):
        half(importance="BNScale").apply(bench.network("lathe.mlp"), bench.context())


class AddsItsInput(nn.Module):
    """Adds its input to the output of a layer, which therefore cannot lose channels."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.last = nn.Linear(64, 64), nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.flatten(1)
        return self.last(self.layer(x) + x)  # type: ignore[no-any-return]


def test_a_model_that_breaks_is_named_and_not_written(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(architectures._OWN, "lathe.adds", AddsItsInput)

    with pytest.raises(Internal) as refusal:
        half().apply(bench.network("lathe.adds"), bench.context())

    assert refusal.value.reason is Reason.UNSUPPORTED_MODEL
    assert "layer" in refusal.value.message


def test_removing_others_than_those_ranked_is_noticed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = channels.Dependencies.remove

    def shifted(self: channels.Dependencies, root: str, doomed: list[int]) -> None:
        layer: Any = self._module.get_submodule(root)
        honest(self, root, [(channel + 1) % len(layer.weight) for channel in doomed])

    monkeypatch.setattr(channels.Dependencies, "remove", shifted)

    with pytest.raises(Internal) as refusal:
        half().apply(bench.network(), bench.context())

    assert refusal.value.reason is Reason.UNSUPPORTED_MODEL


class TwoHeads(nn.Module):
    """Two inputs, and two outputs in a mapping."""

    def __init__(self) -> None:
        super().__init__()
        self.image, self.table = nn.Linear(64, 64), nn.Linear(8, 64)
        self.scores, self.value = nn.Linear(64, 10), nn.Linear(64, 1)

    def forward(self, image: torch.Tensor, table: torch.Tensor) -> dict[str, torch.Tensor]:
        hidden = torch.relu(self.image(image.flatten(1)) + self.table(table))
        return {"scores": self.scores(hidden), "value": self.value(hidden)}


def test_several_inputs_and_outputs(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(architectures._OWN, "lathe.two", TwoHeads)
    bench.inputs = (
        TensorSpec("image", "float32", ("n", 1, 8, 8)),
        TensorSpec("table", "float32", ("n", 8)),
    )

    pruned = half().apply(bench.network("lathe.two"), bench.context())

    module: Any = model.load(pruned).module
    assert module.image.out_features == module.table.out_features == module.scores.in_features < 64
    assert module.scores.out_features == 10
