"""Train a small real model, and lay it out with its data as they would lie in S3.

python examples/quickstart/make_model.py out/storage

    out/storage/models/digits/model.safetensors    a residual CNN on 8x8 images of digits
    out/storage/data/digits/train.npz              900 images, on which it was trained
    out/storage/data/digits/calib.npz              150 others, for calibration
    out/storage/data/digits/val.npz                747 others, to measure on

The 1,797 images are those that come with scikit-learn. Every file is the same in every run.
"""

import argparse
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from sklearn.datasets import load_digits
from torch import nn

from lathe_steps.toolchains.networks.models import architectures

SEED = 7
SIZES = {"train": 900, "calib": 150, "val": 747}
EPOCHS = 32
BATCH = 64

Samples = tuple[np.ndarray, np.ndarray]


def main() -> None:
    """Write the model and its data into a folder."""
    parser = argparse.ArgumentParser(description="Train a small CNN on handwritten digits.")
    parser.add_argument("storage", type=Path, help="folder that stands for S3: buckets are folders")
    storage: Path = parser.parse_args().storage
    start = time.monotonic()
    samples = split()
    model = train(*samples["train"])
    write(storage, model, samples)
    accuracy = share_right(model, *samples["val"])
    taken = time.monotonic() - start
    print(f"trained a small CNN in {taken:.0f} s: {accuracy:.1%} of {SIZES['val']} images right")
    print(f"model and data are in {storage}/models/digits and {storage}/data/digits")


def split() -> Mapping[str, Samples]:
    """The digits, shuffled and cut into sets that share no image."""
    digits = load_digits()
    images = (digits.images / 16).astype(np.float32)[:, None]
    order = np.random.default_rng(SEED).permutation(len(images))
    ends = np.cumsum(list(SIZES.values()))
    parts = np.split(order, ends)[: len(SIZES)]
    return {
        name: (images[rows], digits.target[rows].astype(np.int64))
        for name, rows in zip(SIZES, parts, strict=True)
    }


def train(images: np.ndarray, labels: np.ndarray) -> nn.Module:
    """Fit the network, moving each image by up to a pixel so that it learns shapes."""
    torch.set_num_threads(1)  # so small a model is no faster with more, and is always the same
    torch.manual_seed(SEED)
    chance = torch.Generator().manual_seed(SEED)
    model = architectures.build("lathe.small_cnn", {"num_classes": 10}).train()
    batches = -(-len(images) // BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=EPOCHS * batches)
    x, y = torch.from_numpy(images), torch.from_numpy(labels)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x), generator=chance).split(BATCH):
            loss = nn.functional.cross_entropy(model(moved(x[rows], chance)), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return model.eval()


def moved(images: torch.Tensor, chance: torch.Generator) -> torch.Tensor:
    """The images, all moved by the same step of at most one pixel each way."""
    down, right = torch.randint(0, 3, (2,), generator=chance).tolist()
    padded = nn.functional.pad(images, (1, 1, 1, 1))
    return padded[:, :, down : down + images.shape[2], right : right + images.shape[3]]


def share_right(model: nn.Module, images: np.ndarray, labels: np.ndarray) -> float:
    """Top-1 accuracy."""
    with torch.inference_mode():
        answers = model(torch.from_numpy(images)).argmax(dim=1).numpy()
    return float((answers == labels).mean())


def write(storage: Path, model: nn.Module, samples: Mapping[str, Samples]) -> None:
    """Write model and data under the names that quickstart.yaml gives them."""
    models, data = storage / "models" / "digits", storage / "data" / "digits"
    for folder in (models, data):
        folder.mkdir(parents=True, exist_ok=True)
    save_file(model.state_dict(), models / "model.safetensors")
    for name, (images, labels) in samples.items():
        np.savez(data / f"{name}.npz", images=images, labels=labels)


if __name__ == "__main__":
    main()
