"""The registry of architectures."""

from importlib.metadata import EntryPoint
from typing import Any

import pytest
import torch
from torch import nn

from lathe_steps.errors import BadInput, InvalidSpec
from lathe_steps.reasons import Reason
from lathe_steps.toolchains.networks.models import architectures

pytestmark = pytest.mark.toolchain

BUILT = {
    "Lathe's own networks": ("lathe.small_cnn", {"num_classes": 3, "width": 8}, 3),
    "a perceptron with the layers that are asked for": (
        "lathe.mlp",
        {"features": 64, "hidden": [16], "num_classes": 5},
        5,
    ),
    "a classification model of torchvision": ("torchvision.resnet18", {"num_classes": 7}, 7),
    "a model that would initialise slowly": ("torchvision.googlenet", {"num_classes": 2}, 2),
}


@pytest.mark.parametrize(("ref", "args", "classes"), BUILT.values(), ids=BUILT)
def test_a_name_builds(ref: str, args: dict[str, Any], classes: int) -> None:
    module = architectures.build(ref, args)

    size = 8 if ref.startswith("lathe.") else 64
    channels = 1 if ref.startswith("lathe.") else 3
    assert not module.training
    assert module(torch.zeros(2, channels, size, size)).shape == (2, classes)


REFUSED = {
    "an unknown name": (BadInput, Reason.UNKNOWN_ARCHITECTURE, "torchvision.resnet81", {}),
    "a name of a package that is not here": (
        BadInput,
        Reason.UNKNOWN_ARCHITECTURE,
        "os.system",
        {},
    ),
    "weights from elsewhere": (
        InvalidSpec,
        Reason.INVALID_SPEC,
        "torchvision.resnet18",
        {"weights": "DEFAULT"},
    ),
    "an argument that there is not": (
        InvalidSpec,
        Reason.INVALID_SPEC,
        "torchvision.resnet18",
        {"classes": 10},
    ),
    "an argument of another type": (
        InvalidSpec,
        Reason.INVALID_SPEC,
        "lathe.small_cnn",
        {"num_classes": "ten"},
    ),
    "a size below zero": (
        InvalidSpec,
        Reason.INVALID_SPEC,
        "torchvision.resnet18",
        {"num_classes": -1},
    ),
}


@pytest.mark.parametrize(("error", "reason", "ref", "args"), REFUSED.values(), ids=REFUSED)
def test_it_refuses(
    error: type[BadInput | InvalidSpec], reason: Reason, ref: str, args: dict[str, Any]
) -> None:
    with pytest.raises(error) as refusal:
        architectures.build(ref, args)

    assert refusal.value.reason is reason


def test_a_misspelt_name_gets_the_near_ones() -> None:
    with pytest.raises(BadInput) as refusal:
        architectures.build("torchvision.resnet81", {})

    assert "torchvision.resnet18" in refusal.value.message


def test_an_installed_package_adds_architectures(monkeypatch: pytest.MonkeyPatch) -> None:
    added = EntryPoint("acme.linear", "torch.nn:Linear", architectures.ENTRY_POINTS)

    def entry_points(*, group: str, name: str | None = None) -> list[EntryPoint]:
        assert group == architectures.ENTRY_POINTS
        return [added] if name in {None, "acme.linear"} else []

    monkeypatch.setattr(architectures, "entry_points", entry_points)

    module = architectures.build("acme.linear", {"in_features": 2, "out_features": 3})

    assert isinstance(module, nn.Linear)
    assert "acme.linear" in architectures.names()


def test_building_leaves_the_order_of_chance_alone() -> None:
    torch.manual_seed(1)
    undisturbed = torch.rand(1)
    torch.manual_seed(1)

    architectures.build("lathe.mlp", {})

    assert torch.equal(torch.rand(1), undisturbed)
