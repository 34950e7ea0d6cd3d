"""Builders for tests of steps: small data sets, models in torch and in ONNX, contexts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lathe_steps.base import Artifact, Batch, Context, Dataset, Format, Runtime, TensorSpec

if TYPE_CHECKING:
    import onnx

VNNI = frozenset({"avx2", "avx512_vnni"})
X = TensorSpec("x", "float32", ("batch", 1, 8, 8))


@dataclass(frozen=True)
class Samples:
    """A data set in memory."""

    name: str
    inputs: Mapping[str, np.ndarray]
    labels: np.ndarray | None = None

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))

    def batches(
        self, size: int, *, shuffle: int | None = None, limit: int | None = None
    ) -> Iterator[Batch]:
        count = len(self) if limit is None else min(limit, len(self))
        order = np.arange(count) * len(self) // max(count, 1)
        if shuffle is not None:
            np.random.default_rng(shuffle).shuffle(order)
        for start in range(0, count, size):
            rows = order[start : start + size]
            arrays = {name: array[rows] for name, array in self.inputs.items()}
            yield Batch(arrays, None if self.labels is None else self.labels[rows])


def digits(name: str, start: int, stop: int, *, labels: bool = True) -> Samples:
    """Some of scikit-learn's handwritten digits, always in the same mixed order."""
    from sklearn.datasets import load_digits

    images, classes = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(images))[start:stop]
    pixels = (images[order] / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    return Samples(name, {"x": pixels}, classes[order] if labels else None)


@dataclass
class Bench:
    """Where a test's artifacts lie, and what its steps are given."""

    root: Path
    inputs: tuple[TensorSpec, ...] = (X,)
    datasets: Mapping[str, Dataset] = field(default_factory=dict)
    runtime: Runtime = field(default_factory=lambda: Runtime("ONNXRuntime", VNNI))
    told: list[tuple[float, str]] = field(default_factory=list)
    count: int = 0

    def folder(self) -> Path:
        """A fresh, empty directory."""
        self.count += 1
        made = self.root / str(self.count)
        made.mkdir()
        return made

    def context(self, *, source: Artifact | None = None, **changes: Any) -> Context:
        """What a step is given; `source` is the teacher."""
        made = Context(
            out=self.folder(),
            inputs=self.inputs,
            datasets=self.datasets,
            source=source or Artifact(Format.TORCH, self.root, ()),
            runtimes=(self.runtime,),
            seed=0,
            threads=1,
            progress=lambda share, message: self.told.append((share, message)),
        )
        return replace(made, **changes)

    def network(self, ref: str = "lathe.small_cnn", **args: Any) -> Artifact:
        """A torch artifact with fresh weights that are the same every time."""
        import torch

        from lathe_steps.toolchains.networks.models import model

        with torch.random.fork_rng():
            torch.manual_seed(0)
            fresh = model.fresh(ref, args, self.inputs)
            for parameter in fresh.module.parameters():  # building does not read the seed
                if parameter.dim() > 1:
                    torch.nn.init.kaiming_normal_(parameter)
            return model.save(fresh, self.folder())

    def graph(self, **changes: Any) -> Artifact:
        """A small convolutional network as an ONNX artifact; see `small_graph`."""
        import onnx

        folder = self.folder()
        onnx.save_model(small_graph(**changes), str(folder / "model.onnx"))
        return Artifact(Format.ONNX, folder, ("model.onnx",))


def small_graph(*, batch: int | str = "batch", opset: int = 18, size: int = 8) -> onnx.ModelProto:
    """Convolution, ReLU, convolution, mean, matrix product; input `x`, output `scores`."""
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(0)
    weights = {
        "first.weight": random.normal(size=(8, 1, 3, 3)),
        "first.bias": random.normal(size=8),
        "second.weight": random.normal(size=(16, 8, 3, 3)) / 8,
        "last.weight": random.normal(size=(16, 10)),
    }
    nodes = [
        helper.make_node("Conv", ["x", "first.weight", "first.bias"], ["a"], "first", pads=[1] * 4),
        helper.make_node("Relu", ["a"], ["b"], "relu"),
        helper.make_node("Conv", ["b", "second.weight"], ["c"], "second", pads=[1] * 4),
        helper.make_node("GlobalAveragePool", ["c"], ["d"], "mean"),
        helper.make_node("Flatten", ["d"], ["e"], "flatten"),
        helper.make_node("MatMul", ["e", "last.weight"], ["scores"], "last"),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 1, size, size])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [batch, 10])],
        [numpy_helper.from_array(w.astype(np.float32), name) for name, w in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def accuracy(artifact: Artifact, dataset: Samples) -> float:
    """Share of samples that a torch or ONNX artifact classifies as labelled."""
    scores = run(artifact, dataset.inputs)
    return float((next(iter(scores.values())).argmax(1) == dataset.labels).mean())


def run(artifact: Artifact, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What a torch or ONNX artifact gives for some inputs."""
    if artifact.format is Format.ONNX:
        from lathe_steps.toolchains.onnx_runtime import Session

        return dict(Session(artifact, 1).run(inputs))
    import torch

    from lathe_steps.toolchains.networks import calls
    from lathe_steps.toolchains.networks.models import model

    tensors = {name: torch.from_numpy(array) for name, array in inputs.items()}
    with torch.no_grad():
        return calls.arrays_of(calls.call(model.load(artifact).module, tensors))
