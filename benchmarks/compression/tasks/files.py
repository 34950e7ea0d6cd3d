"""A task as a folder, which is all that a contestant gets.

model.safetensors    the trained weights, float32; task.json says how to build the network
model.onnx           the same network, float32, with a dynamic batch
train.npz            inputs and labels to train on
calib.npz            inputs and labels to calibrate on
test.npz             inputs and labels to measure on, which no contestant may train on
task.json            what it is
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn

from benchmarks.compression.tasks.samples import Samples, Split

OPSET = 18
SETS = ("train", "calib", "test")


@dataclass(frozen=True, slots=True)
class Described:
    """What task.json says.

    Attributes:
        task: Name of the task.
        seed: Of the training.
        architecture: A name in `networks.BUILDERS`.
        args: Its arguments.
        shape: Of one sample.
        dtype: Of the input x, as a numpy name.
        trained: False for random weights, which are for latency alone.
    """

    task: str
    seed: int
    architecture: str
    args: dict[str, Any]
    shape: tuple[int, ...]
    dtype: str
    trained: bool = True


def write(folder: Path, network: nn.Module, described: Described, data: Path) -> None:
    """Write a task's folder; task.json last, so that where it is, everything is.

    Args:
        folder: To be written.
        network: In evaluation mode.
        described: What it is.
        data: Folder of the three NPZ files; they are linked, or copied where that is impossible.
    """
    folder.mkdir(parents=True, exist_ok=True)
    network = network.to(memory_format=torch.contiguous_format).eval()
    weights = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    save_file(weights, folder / "model.safetensors")
    export(network, described, folder / "model.onnx")
    for name in SETS:
        link = folder / f"{name}.npz"
        link.unlink(missing_ok=True)
        os.link(data / f"{name}.npz", link)
    (folder / "task.json").write_text(json.dumps(asdict(described), indent=2) + "\n")


def export(network: nn.Module, described: Described, path: Path) -> None:
    """Write the network as ONNX: input x with a dynamic batch, output y."""
    sample = torch.zeros((2, *described.shape), dtype=getattr(torch, described.dtype))
    torch.onnx.export(
        network,
        (sample,),
        path,
        dynamo=True,
        opset_version=OPSET,
        input_names=["x"],
        output_names=["y"],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        external_data=False,
        verbose=False,
    )


def write_samples(folder: Path, split: Split) -> Path:
    """Write the three sets, unless they are there, and return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, samples in zip(SETS, (split.train, split.calib, split.test), strict=True):
        part = folder / f"{name}.npz.{os.getpid()}"  # another task may write the same samples
        with part.open("wb") as file:
            np.savez(file, inputs=samples.inputs, labels=samples.labels)
        part.rename(folder / f"{name}.npz")
    return folder


def read(folder: Path) -> Described:
    """Read task.json."""
    described = json.loads((folder / "task.json").read_text())
    described["shape"] = tuple(described["shape"])
    return Described(**described)


def samples(folder: Path, name: str) -> Samples:
    """Read one of the three sets."""
    with np.load(folder / f"{name}.npz", allow_pickle=False) as archive:
        return Samples(archive["inputs"], archive["labels"])
