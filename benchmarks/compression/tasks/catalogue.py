"""The tasks by name: what each trains, on what, and how."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.compression.tasks import digits, fashion, files, glyphs, tokens
from benchmarks.compression.tasks.networks import BUILDERS, ResidualCNN
from benchmarks.compression.tasks.samples import Samples, Split
from benchmarks.compression.tasks.training import Recipe, fit, initialised

Load = Callable[[int, Path, bool], Split]
"""From a seed, a folder for downloads, and whether a few samples will do."""


@dataclass(frozen=True, slots=True)
class Task:
    """One model with its data.

    Attributes:
        name: Of its folder.
        architecture: A name in `networks.BUILDERS`.
        shape: Of one sample.
        load: Makes or reads the samples.
        recipe: How it is trained; None leaves the weights random.
        args: Of the architecture.
        quick: Arguments of the architecture instead, where minutes matter.
        dtype: Of the input.
        data_by_seed: Whether each seed has samples of its own.
        change: Done to the trained network before it is written.
    """

    name: str
    architecture: str
    shape: tuple[int, ...]
    load: Load
    recipe: Recipe | None
    args: Mapping[str, Any] = field(default_factory=dict)
    quick: Mapping[str, Any] = field(default_factory=dict)
    dtype: str = "float32"
    data_by_seed: bool = False
    change: Callable[[nn.Module], None] | None = None


def build(task: Task, seed: int, out: Path, *, quick: bool = False) -> Path:
    """Make a task's folder below `out`, unless it is there, and return it."""
    folder = out / "tasks" / f"{task.name}-{seed}"
    if (folder / "task.json").exists():
        return folder
    print(f"  making {folder.name}", flush=True)
    data = (
        out / "data" / (f"{task.load.__name__}-{seed}" if task.data_by_seed else task.load.__name__)
    )
    if not (data / "test.npz").exists():
        files.write_samples(data, task.load(seed, out / "downloads", quick))
    args = dict(task.quick if quick and task.quick else task.args)
    network = initialised(lambda: BUILDERS[task.architecture](**args), seed).eval()
    if task.recipe is not None:
        recipe = replace(task.recipe, epochs=1) if quick else task.recipe
        with np.load(data / "train.npz", allow_pickle=False) as train:
            fit(network, (train["inputs"], train["labels"]), recipe, seed)
    if task.change is not None:
        task.change(network)
    described = files.Described(
        task.name, seed, task.architecture, args, task.shape, task.dtype, task.recipe is not None
    )
    files.write(folder, network, described, data)
    return folder


def digits_of(seed: int, _downloads: Path, _quick: bool) -> Split:  # noqa: FBT001 - see Load
    """Digits, cut by the seed."""
    return digits.load(seed)


def glyphs_of(_seed: int, _downloads: Path, quick: bool) -> Split:  # noqa: FBT001 - see Load
    """Glyphs, the same for every seed."""
    return glyphs.load(*((6_000, 1_000) if quick else ()))


def fashion_of(_seed: int, downloads: Path, quick: bool) -> Split:  # noqa: FBT001 - see Load
    """Fashion-MNIST."""
    return fashion.load(downloads, *((2_000, 1_000) if quick else ()))


def tokens_of(_seed: int, _downloads: Path, quick: bool) -> Split:  # noqa: FBT001 - see Load
    """Token sequences."""
    return tokens.load(*((600, 400) if quick else ()))


def noise_of(seed: int, _downloads: Path, quick: bool) -> Split:  # noqa: FBT001 - see Load
    """Images of noise, for models that have learned nothing."""
    chance = np.random.default_rng(seed)

    def noise(count: int) -> Samples:
        images = chance.standard_normal((count, 3, 224, 224), np.float32)
        return Samples(images, np.zeros(count, np.int64))

    return Split(noise(2), noise(16 if quick else 512), noise(16))


@torch.no_grad()
def plant(network: nn.Module) -> None:
    """Scale one channel 1000 times up and undo it in the next layer: the outputs stay as they are.

    One scale per tensor of activations, and every value of the other channels is lost.
    """
    if not isinstance(network, ResidualCNN):
        raise TypeError("the fault is planted in a ResidualCNN")
    weights = dict(network.named_parameters())
    scale, shift = (weights[f"blocks.0.first.1.{name}"] for name in ("weight", "bias"))
    channel = int(scale.abs().argmax())
    scale[channel] *= 1000
    shift[channel] *= 1000
    weights["blocks.0.second.0.weight"][:, channel] /= 1000


_GLYPHS = Recipe(epochs=6, rate=3e-3, low=True)

TASKS: Mapping[str, Task] = {
    task.name: task
    for task in (
        Task(
            "digits-mlp",
            "mlp",
            (64,),
            digits_of,
            Recipe(epochs=60, batch=32, rate=2e-3),
            data_by_seed=True,
        ),
        Task("glyphs-cnn", "residual_cnn", (1, 32, 32), glyphs_of, _GLYPHS),
        Task("glyphs-planted", "residual_cnn", (1, 32, 32), glyphs_of, _GLYPHS, change=plant),
        Task("resnet18-224", "resnet18_224", (3, 224, 224), noise_of, None),
        Task("mobilenet-v2-224", "mobilenet_v2_224", (3, 224, 224), noise_of, None),
        Task(
            "tokens-encoder",
            "encoder",
            (tokens.LENGTH,),
            tokens_of,
            Recipe(epochs=2, batch=32, rate=4e-4, low=True),
            quick={"size": 96},
            dtype="int64",
        ),
        Task(
            "fashion-resnet18",
            "resnet18_28",
            (1, 28, 28),
            fashion_of,
            Recipe(epochs=2, low=True),
        ),
    )
}
