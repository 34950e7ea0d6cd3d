"""Torch models: called by names, changed in structure, stored and built again."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

from lathe_steps.base import TensorSpec
from lathe_steps.errors import BadInput, Internal
from lathe_steps.reasons import Reason
from lathe_steps.toolchains.networks import calls
from lathe_steps.toolchains.networks.models import architectures, model, structure
from lathe_steps.toolchains.networks.models.attention import SelfAttention
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


REPLACED: dict[str, tuple[str, nn.Module]] = {
    "two thin layers for a thick one": (
        "last",
        nn.Sequential(nn.Linear(8, 2, bias=False), nn.Linear(2, 4)),
    ),
    "a pooling before another head": (
        "head",
        nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 8)),
    ),
    "a sequence with fewer modules": ("head", nn.Sequential(nn.Flatten())),
    "convolutions": (
        "first",
        nn.Sequential(nn.Conv2d(1, 2, 1, bias=False), nn.Conv2d(2, 8, (3, 1), padding=(1, 0))),
    ),
    "an embedding": ("last", nn.Sequential(nn.Embedding(9, 2), nn.Identity())),
    "an attention with fewer heads": ("last", SelfAttention(8, 3, 2, batch_first=False)),
}


class Parts(nn.Module):
    """Nothing that computes: parts to replace."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 8, 3)
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(288, 8), nn.BatchNorm1d(8))
        self.last = nn.Linear(8, 4)


@pytest.mark.parametrize(("name", "other"), REPLACED.values(), ids=REPLACED)
def test_a_module_in_the_place_of_another_is_built_again(name: str, other: nn.Module) -> None:
    changed, again = Parts(), Parts()
    before = structure.blueprint(changed)
    structure.replace(changed, name, other)

    edits = structure.difference(before, changed)

    assert {changed.partition(".")[0] for changed in edits.replaced} == {name}
    stored = structure.Edits(**json.loads(json.dumps(asdict(edits))))
    structure.edit(again, stored)
    again.load_state_dict(changed.state_dict(), strict=True)
    assert repr(again) == repr(changed)
    assert structure.difference(before, again) == edits


def test_what_became_of_a_replaced_module_later_is_stored_with_it() -> None:
    changed = Parts()
    before = structure.blueprint(changed)
    pair = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    structure.replace(changed, "first", pair)
    structure.replace(changed, "first.1", nn.Identity())

    edits = structure.difference(before, changed)

    assert edits.replaced["first"]["children"]["1"] == {"kind": "Identity"}
    assert edits.identity == ()


def test_a_module_that_became_one_of_no_known_kind_is_no_edit() -> None:
    built: Any = nn.Sequential(nn.ReLU())
    before = structure.blueprint(built)
    built[0] = nn.Tanh()

    with pytest.raises(Internal) as refusal:
        structure.difference(before, built)

    assert refusal.value.reason is Reason.UNSUPPORTED_MODEL


UNKNOWN = {
    "a kind that does not exist": {"kind": "Tanhh"},
    "a kind that is not one of the few": {"kind": "LSTM", "input_size": 3, "hidden_size": 3},
    "no kind": {"in_features": 3},
    "an argument that is not the kind's": {"kind": "Flatten", "start_dim": 1, "eval": "1"},
    "something unknown within a sequence": {"kind": "Sequential", "children": {"0": {"kind": "X"}}},
}


@pytest.mark.parametrize("description", UNKNOWN.values(), ids=UNKNOWN)
def test_a_description_of_something_else_builds_nothing(description: dict[str, Any]) -> None:
    with pytest.raises(Internal):
        structure.edit(Parts(), structure.Edits(replaced={"last": description}))
