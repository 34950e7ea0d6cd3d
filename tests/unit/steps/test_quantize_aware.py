"""Quantisation-aware training: weights and ranges that stay good when they are rounded."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lathe_steps.base import Artifact
from lathe_steps.errors import Internal, InvalidSpec
from lathe_steps.export import Export
from lathe_steps.finetune import Finetune
from lathe_steps.fuse import Fuse
from lathe_steps.quantize_aware import QuantizeAware
from lathe_steps.reasons import Reason
from lathe_steps.toolchains.networks.models import architectures, model
from lathe_steps.toolchains.networks.training import rounding
from tests.step_runs import Bench, accuracy, digits

pytestmark = pytest.mark.toolchain

TRAIN, VAL = digits("train", 0, 400), digits("val", 500, 900)
Range = Mapping[str, float]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    bench = Bench(tmp_path_factory.mktemp("trained"), datasets={"train": TRAIN})
    step = Finetune(dataset="train", epochs=5, batch_size=16, learning_rate=0.01)
    return step.apply(bench.network(width=8), bench.context())


def aware(bench: Bench, artifact: Artifact, **asked: Any) -> Artifact:
    step = QuantizeAware.model_validate(
        {"dataset": "train", "batchSize": 16, "learningRate": 0.003, **asked}
    )
    return step.apply(artifact, bench.context(source=artifact))


def ranges_of(artifact: Artifact) -> dict[str, Range]:
    found: dict[str, Range] = json.loads((artifact.path / "ranges.json").read_text())
    return found


def layers(module: nn.Module) -> dict[str, nn.Module]:
    return {n: m for n, m in module.named_modules() if isinstance(m, nn.Conv2d | nn.Linear)}


def calibrated(artifact: Artifact) -> dict[str, Range]:
    """The lowest and highest input of each layer on the training data: plain quantisation's."""
    module = model.load(artifact).module
    found: dict[str, Range] = {}

    def see(name: str, given: torch.Tensor) -> None:
        found[name] = {"low": min(0, float(given.min())), "high": float(given.max())}

    for name, layer in layers(module).items():
        layer.register_forward_pre_hook(lambda _, args, name=name: see(name, args[0]))
    with torch.no_grad():
        module(torch.from_numpy(TRAIN.inputs["x"]))
    return found


def in_integers(
    artifact: Artifact, ranges: Mapping[str, Range], weight_bits: int, activation_bits: int
) -> float:
    """Accuracy when every layer computes with integers, by hand."""
    module = model.load(artifact).module

    def rounded(given: torch.Tensor, name: str) -> torch.Tensor:
        most = 2**activation_bits - 1
        scale = (ranges[name]["high"] - ranges[name]["low"]) / most
        zero = round(-ranges[name]["low"] / scale)
        steps: torch.Tensor = ((given / scale).round() + zero).clamp(0, most) - zero
        return steps.mul(scale)

    for name, layer in layers(module).items():
        assert isinstance(layer.weight, nn.Parameter)
        flat = layer.weight.detach().flatten(1)
        scale = flat.abs().amax(1, keepdim=True) / (2 ** (weight_bits - 1) - 1)
        layer.weight.data = ((flat / scale).round() * scale).view_as(layer.weight)
        layer.register_forward_pre_hook(lambda _, args, name=name: (rounded(args[0], name),))
    with torch.no_grad():
        found = module(torch.from_numpy(VAL.inputs["x"])).argmax(1).numpy()
    return float((found == VAL.labels).mean())


def test_it_wins_where_plain_rounding_loses(bench: Bench, trained: Artifact) -> None:
    plain = Fuse().apply(trained, bench.context())

    learned = aware(bench, trained, epochs=4, weightBits=3, activationBits=3)

    lost = accuracy(trained, VAL) - in_integers(plain, calibrated(plain), 3, 3)
    kept = accuracy(trained, VAL) - in_integers(learned, ranges_of(learned), 3, 3)
    assert lost > 0.06
    assert kept < 0.02


def test_what_is_stored_is_an_ordinary_model(bench: Bench, trained: Artifact) -> None:
    learned = aware(bench, trained)

    network = model.load(learned)
    assert accuracy(learned, VAL) > accuracy(trained, VAL) - 0.02
    assert learned.facts["folded"] == 11
    assert not any(isinstance(m, nn.BatchNorm2d) for m in network.module.modules())
    weights = network.module.get_parameter("stem.0.weight").detach()[0].flatten()
    assert len(set(weights.tolist())) == len(weights)  # of full precision, not rounded


def test_every_layer_has_a_range_in_which_its_inputs_lie(bench: Bench, trained: Artifact) -> None:
    learned = aware(bench, trained)

    found, seen = ranges_of(learned), calibrated(learned)
    assert found.keys() == seen.keys()
    assert found["stem.0"] == {"low": 0.0, "high": pytest.approx(1.0, abs=0.01)}
    for name, wide in seen.items():
        assert found[name]["low"] <= 0
        assert 0.5 * wide["high"] < found[name]["high"] <= 1.5 * wide["high"], name


def test_the_export_hands_the_ranges_on_by_the_names_of_its_nodes(
    bench: Bench, trained: Artifact
) -> None:
    learned = aware(bench, trained, maxSteps=2)

    exported = Export().apply(learned, bench.context())

    assert ranges_of(exported) == ranges_of(learned)
    nodes = {node.name for node in onnx.load(exported.main).graph.node}
    assert {name.rpartition("/")[0] for name in nodes} >= ranges_of(exported).keys()


def test_a_model_without_ranges_is_exported_without(bench: Bench, trained: Artifact) -> None:
    exported = Export().apply(trained, bench.context())

    assert [file.name for file in exported.path.iterdir()] == ["model.onnx"]


def test_without_a_teacher_it_learns_from_labels_alone(bench: Bench) -> None:
    learned = aware(bench, bench.network(width=4), epochs=5, alpha=0, learningRate=0.01)

    assert accuracy(learned, VAL) > 0.7


def test_early_stop_keeps_ranges_that_belong_to_the_weights(
    bench: Bench, trained: Artifact
) -> None:
    early = {"dataset": "val", "minDelta": 1000, "patience": 2}

    learned = aware(bench, trained, epochs=5, learningRate=0.1, earlyStop=early)

    assert learned.facts["best_epoch"] == 0
    assert accuracy(learned, VAL) == accuracy(trained, VAL)
    assert in_integers(learned, ranges_of(learned), 8, 8) > accuracy(trained, VAL) - 0.02


def test_excluded_layers_stay_as_they_are(bench: Bench, trained: Artifact) -> None:
    learned = aware(bench, trained, maxSteps=1, exclude=["stem", "*.shortcut.*"])

    assert learned.facts["layers"] == len(calibrated(learned)) - 3
    assert "stem.0" not in ranges_of(learned)


def test_an_exclusion_that_excludes_nothing_is_refused(bench: Bench, trained: Artifact) -> None:
    with pytest.raises(InvalidSpec) as refusal:
        aware(bench, trained, exclude=["fc"])

    assert "stem.0" in refusal.value.message


class Scale(nn.Module):
    """No layer that could be rounded."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(10))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1)[:, :10] * self.scale


def test_a_model_without_layers_to_round_is_refused(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(architectures._OWN, "lathe.scale", Scale)

    with pytest.raises(Internal) as refusal:
        aware(bench, bench.network("lathe.scale"))

    assert refusal.value.reason is Reason.UNSUPPORTED_MODEL


NUMBERS = st.lists(st.floats(-100, 100, width=32), min_size=2, max_size=20)


@settings(deadline=None, max_examples=50)
@given(numbers=NUMBERS, bits=st.integers(2, 8))
def test_rounded_weights_are_near_whole_multiples_of_one_step(
    numbers: list[float], bits: int
) -> None:
    values = torch.tensor([numbers])
    step = float(values.abs().max()) / (2 ** (bits - 1) - 1)

    found = rounding.weights(values, bits=bits)

    assert bool(((found - values).abs() <= step / 2 + 1e-5).all())
    if step > 1e-6:
        whole = (found / step).numpy()
        assert np.allclose(whole, whole.round(), atol=1e-3)


@settings(deadline=None, max_examples=50)
@given(numbers=NUMBERS, low=st.floats(-50, 0), high=st.floats(0.5, 50), bits=st.integers(2, 8))
def test_rounded_inputs_stay_in_their_range_and_zero_stays_zero(
    numbers: list[float], low: float, high: float, bits: int
) -> None:
    step = (high - low) / (2**bits - 1)
    values = torch.tensor([*numbers, 0.0])

    found = rounding.activations(values, torch.tensor(low), torch.tensor(high), bits=bits)

    assert found[-1] == 0
    assert len(set(found.tolist())) <= 2**bits
    assert bool(((found >= low - step) & (found <= high + step)).all())


def test_gradients_pass_the_rounding_within_the_range_only() -> None:
    values = torch.tensor([-2.0, 0.3, 0.9, 3.0], requires_grad=True)

    rounded = rounding.activations(values, torch.tensor(-1.0), torch.tensor(1.0), bits=4)
    torch.autograd.backward(rounded.sum())

    assert values.grad is not None
    assert values.grad.tolist() == [0, 1, 1, 0]
