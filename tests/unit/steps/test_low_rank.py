"""Layers in thin parts: what they compute, and how many weights they have."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lathe_steps.toolchains.networks import layer_timing
from lathe_steps.toolchains.networks.rewriting import low_rank
from lathe_steps.toolchains.networks.rewriting.low_rank import Wanted

pytestmark = pytest.mark.toolchain

PIXELS = torch.randn(2, 6, 9, 9, generator=torch.Generator().manual_seed(0))
LAYERS: dict[str, tuple[Callable[[], low_rank.Layer], torch.Tensor]] = {
    "a linear layer": (lambda: nn.Linear(6, 4), PIXELS.movedim(1, -1)),
    "a linear layer without bias": (lambda: nn.Linear(6, 9, bias=False), PIXELS[:, :, 0, 0]),
    "an embedding": (lambda: nn.Embedding(20, 5, padding_idx=0), torch.arange(20).view(4, 5)),
    "a pointwise convolution": (lambda: nn.Conv2d(6, 4, 1, stride=2), PIXELS),
    "a convolution": (lambda: nn.Conv2d(6, 8, 3, padding=1), PIXELS),
    "a convolution that strides": (
        lambda: nn.Conv2d(6, 8, (3, 2), stride=(2, 1), padding=(1, 0), bias=False),
        PIXELS,
    ),
    "a convolution with holes": (lambda: nn.Conv2d(6, 4, 3, dilation=2, padding="same"), PIXELS),
    "a convolution around the edges": (
        lambda: nn.Conv2d(6, 4, 3, padding=1, padding_mode="circular"),
        PIXELS,
    ),
}


def weights(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(("build", "x"), LAYERS.values(), ids=LAYERS)
def test_with_all_ranks_the_parts_compute_the_same(
    build: Callable[[], low_rank.Layer], x: torch.Tensor
) -> None:
    layer = build()

    parts = low_rank.parts(layer, Wanted(rank=100))

    with torch.no_grad():
        assert torch.allclose(parts.module(x), layer(x), atol=1e-5)
    assert parts.energy == pytest.approx(1)


@pytest.mark.parametrize(("build", "x"), LAYERS.values(), ids=LAYERS)
def test_onnx_runtime_times_a_layer_and_its_parts(
    build: Callable[[], low_rank.Layer], x: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layer_timing, "_SECONDS", 0.01)
    layer = build()
    parts = low_rank.parts(layer, Wanted(rank=2))

    taken = layer_timing.latencies({"whole": layer, "parts": parts.module}, x, threads=1)

    assert taken.keys() == {"whole", "parts"}
    assert min(taken.values()) > 0


def test_what_has_a_low_rank_needs_no_more() -> None:
    layer = nn.Linear(30, 20, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.randn(20, 3) @ torch.randn(3, 30))

    parts = low_rank.parts(layer, Wanted(energy=0.999999))

    assert parts.ranks == (3,)
    assert weights(parts.module) == 3 * (30 + 20)


def test_an_axis_of_a_kernel_that_has_a_low_rank_needs_no_more() -> None:
    layer = nn.Conv2d(12, 10, 3, bias=False)
    with torch.no_grad():
        few = torch.randn(10, 2, 3, 3)
        layer.weight.copy_(torch.einsum("orhw,ri->oihw", few, torch.randn(2, 12)))

    inputs, _ = low_rank.parts(layer, Wanted(energy=0.999999)).ranks

    assert inputs == 2


SHARES = st.floats(0.05, 0.95)


@settings(max_examples=20, deadline=None)
@given(share=SHARES, name=st.sampled_from(["a linear layer", "a convolution", "an embedding"]))
def test_a_share_of_the_weights_is_kept_to(share: float, name: str) -> None:
    layers: dict[str, low_rank.Layer] = {
        "a linear layer": nn.Linear(40, 30, bias=False),
        "a convolution": nn.Conv2d(40, 30, 3, bias=False),
        "an embedding": nn.Embedding(40, 30),
    }
    layer = layers[name]

    parts = low_rank.parts(layer, Wanted(params=share))

    assert weights(parts.module) <= max(share * weights(layer), 40 * 30 * 0.1)


@settings(max_examples=20, deadline=None)
@given(share=SHARES)
def test_energy_is_kept_along_each_axis(share: float) -> None:
    layer = nn.Linear(24, 16)

    assert low_rank.parts(layer, Wanted(energy=share)).energy >= share - 1e-6


OTHERS = {
    "a grouped convolution": nn.Conv2d(4, 4, 3, groups=2),
    "an embedding that rescales itself": nn.Embedding(4, 4, max_norm=1.0),
    "a layer that only looks like one": nn.LazyLinear(3),
    "a normalisation": nn.BatchNorm2d(4),
}


@pytest.mark.parametrize("module", OTHERS.values(), ids=OTHERS)
def test_it_leaves_alone(module: nn.Module) -> None:
    assert not low_rank.is_divisible(module)
