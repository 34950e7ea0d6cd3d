"""Torch models: called by names, changed in structure, stored and built again."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

from lathe_steps.base import TensorSpec
from lathe_steps.errors import BadInput, Internal
from lathe_steps.reasons import Reason
from lathe_steps.toolchains.networks import architectures, calls, model, structure
from tests.step_runs import Bench, run

pytestmark = pytest.mark.toolchain


class Pair(NamedTuple):
    scores: torch.Tensor
    features: torch.Tensor


ONE, TWO = torch.ones(1), torch.full((1,), 2.0)
OUTPUTS = {
    "a lone tensor is called output": ({"output": ONE}, ONE),
    "items of a tuple are numbered": ({"output_0": ONE, "output_1": TWO}, (ONE, TWO)),
    "fields of a named tuple keep their names": (
        {"scores": ONE, "features": TWO},
        Pair(ONE, TWO),
    ),
    "keys keep their order": ({"b": ONE, "a": TWO}, {"b": ONE, "a": TWO}),
    "names within names are joined": ({"out.output_0": ONE}, {"out": [ONE]}),
    "what is no tensor is left out": ({"output_0": ONE}, (ONE, None, 3)),
}


@pytest.mark.parametrize(("expected", "outputs"), OUTPUTS.values(), ids=OUTPUTS)
def test_outputs_have_names(expected: Mapping[str, torch.Tensor], outputs: object) -> None:
    assert list(calls.named(outputs).items()) == list(expected.items())


class Subtraction(nn.Module):
    def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        return left - right


CALLS = {
    "by keyword, whatever their order, when forward has the names": (-1, ("right", "left")),
    "by position when forward calls them otherwise": (1, ("images", "mask")),
}


@pytest.mark.parametrize(("expected", "names"), CALLS.values(), ids=CALLS)
def test_inputs_are_passed(expected: int, names: tuple[str, str]) -> None:
    inputs = {names[0]: TWO, names[1]: ONE}

    assert calls.call(Subtraction(), inputs)["output"].item() == expected


def test_sizes_of_free_axes_are_found_by_trying() -> None:
    inputs = (TensorSpec("x", "float32", ("n", 3, "height", "width")),)

    sizes = calls.workable_sizes(nn.Conv2d(3, 4, 100), inputs)

    assert sizes == {"n": 2, "height": 224, "width": 224}


def test_inputs_that_the_model_does_not_take_are_bad() -> None:
    inputs = (TensorSpec("x", "float32", ("n", 1, 8, 8)),)

    with pytest.raises(BadInput) as refusal:
        calls.workable_sizes(nn.Conv2d(3, 4, 3), inputs)

    assert refusal.value.reason is Reason.SHAPE_MISMATCH


def test_a_model_is_the_same_after_it_was_stored(bench: Bench) -> None:
    artifact = bench.network()
    x = np.random.default_rng(0).normal(size=(3, 1, 8, 8)).astype(np.float32)

    again = model.save(model.load(artifact), bench.folder())

    assert np.array_equal(run(artifact, {"x": x})["output"], run(again, {"x": x})["output"])
    assert artifact.facts["params"] == 382_058


def test_tied_weights_are_stored(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Linear(64, 64), nn.Linear(64, 64)
            self.two.weight = self.one.weight

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.two(self.one(x.flatten(1)))  # type: ignore[no-any-return]

    monkeypatch.setitem(architectures._OWN, "lathe.tied", Tied)
    artifact = bench.network("lathe.tied")
    x = np.ones((2, 1, 8, 8), np.float32)

    again = model.save(model.load(artifact), bench.folder())

    assert np.array_equal(run(artifact, {"x": x})["output"], run(again, {"x": x})["output"])


def test_weights_that_are_not_the_architectures_are_our_fault(bench: Bench) -> None:
    artifact, other = bench.network(), bench.network("lathe.mlp")
    (artifact.path / "model.safetensors").write_bytes(
        (other.path / "model.safetensors").read_bytes()
    )

    with pytest.raises(Internal):
        model.load(artifact)


def test_edits_lead_from_the_architecture_to_the_model() -> None:
    built = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.Linear(8, 2))
    before = structure.blueprint(built)
    changed = nn.Sequential(nn.Conv2d(3, 6, 3), nn.Identity(), nn.Linear(6, 2))

    edits = structure.difference(before, changed)

    assert edits.identity == ("1",)
    assert edits.sizes == {"0": {"out_channels": 6}, "2": {"in_features": 6}}
    structure.edit(built, edits)
    structure.fit(built, changed.state_dict())
    built.load_state_dict(changed.state_dict(), strict=True)
    assert structure.difference(before, built) == edits


def test_a_module_that_became_another_is_no_edit() -> None:
    built: Any = nn.Sequential(nn.ReLU())
    before = structure.blueprint(built)
    built[0] = nn.Tanh()

    with pytest.raises(Internal):
        structure.difference(before, built)
