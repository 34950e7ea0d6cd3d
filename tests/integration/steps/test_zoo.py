"""Pruning the larger architectures of torchvision; the small ones are among the unit tests."""

from pathlib import Path
from typing import Any

import pytest

from tests.step_runs import Bench
from tests.zoo import pruned_and_stored

pytestmark = pytest.mark.toolchain

ZOO = {
    "a flattened image before large layers": ("torchvision.vgg11", 0.5, 64),
    "dense concatenations": ("torchvision.densenet121", 0.5, 64),
    "branches and auxiliary heads": ("torchvision.googlenet", 0.5, 64),
    "branches of many kinds": ("torchvision.inception_v3", 0.5, 96),
    "bottlenecks of groups": ("torchvision.resnext50_32x4d", 0.5, 64),
    "swish and depthwise convolutions": ("torchvision.efficientnet_b0", 0.5, 64),
    "scaled layers without normalisation of batches": ("torchvision.convnext_tiny", 0.5, 64),
    "windows of attention": ("torchvision.swin_t", 0.8, 64),
}


@pytest.mark.parametrize(("ref", "share", "size"), ZOO.values(), ids=ZOO)
def test_it_prunes_and_stores(tmp_path: Path, ref: str, share: float, size: int) -> None:
    pruned_and_stored(Bench(tmp_path), ref, share, size)


SOME = {"data": {"dataset": "some"}}
UNITS: dict[str, tuple[str, float, dict[str, Any]]] = {
    "heads of torch's attention": ("torchvision.vit_b_16", 0.9, {"granularity": "Head"}),
    "blocks of a vision transformer": (
        "torchvision.vit_b_16",
        0.8,
        {"granularity": "Block", **SOME},
    ),
    "blocks of attention in windows": ("torchvision.swin_t", 0.8, {"granularity": "Block", **SOME}),
    "residual blocks": ("torchvision.resnet18", 0.8, {"granularity": "Block", **SOME}),
    "inverted residuals": ("torchvision.mobilenet_v2", 0.9, {"granularity": "Block", **SOME}),
    "blocks with scaled layers": (
        "torchvision.convnext_tiny",
        0.8,
        {"granularity": "Block", **SOME},
    ),
    "channels by what the loss would be": (
        "torchvision.mobilenet_v2",
        0.6,
        {"importance": "Taylor", **SOME},
    ),
}


@pytest.mark.parametrize(("ref", "share", "asked"), UNITS.values(), ids=UNITS)
def test_it_prunes_other_units_and_stores(
    tmp_path: Path, ref: str, share: float, asked: dict[str, Any]
) -> None:
    pruned_and_stored(Bench(tmp_path), ref, share, 32, **asked)
