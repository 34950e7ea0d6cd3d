"""Architectures of torchvision, pruned, stored and built again."""

from typing import Any

import numpy as np
import torch

from lathe_steps.base import TensorSpec
from lathe_steps.prune import Prune
from lathe_steps.toolchains.networks.models import model
from tests.step_runs import Bench, Samples, run


def pruned_and_stored(bench: Bench, ref: str, share: float, size: int = 64, **asked: Any) -> None:
    """Prune an architecture to a share of its weights; what is stored computes the same.

    Args:
        bench: Where to work.
        ref: The architecture.
        share: Share of the weights to keep.
        size: Height and width of the images.
        asked: Other parameters of the step; `data` may name the data set "some".
    """
    bench.inputs = (TensorSpec("x", "float32", ("batch", 3, size, size)),)
    args = {"num_classes": 10} if ref.startswith("torchvision.") else {}
    args |= {"image_size": size} if "vit" in ref else {}
    torch.manual_seed(0)
    artifact = model.save(model.fresh(ref, args, bench.inputs), bench.folder())
    x = np.random.default_rng(0).normal(size=(2, 3, size, size)).astype(np.float32)

    bench.datasets = {"some": Samples("some", {"x": x})}

    step = Prune.model_validate({"target": {"params": share}, **asked})
    pruned = step.apply(artifact, bench.context(source=artifact))

    left = float(pruned.facts["params"]) / float(pruned.facts["params_before"])
    coarse = 0.35 if step.granularity == "Block" else 0.15
    assert share - coarse < left <= share
    network = model.load(pruned)
    assert pruned.facts["params"] == network.parameters
    with torch.no_grad():
        expected = network.module(torch.from_numpy(x)).numpy()
    assert expected.shape == (2, 10)
    assert np.array_equal(run(model.save(network, bench.folder()), {"x": x})["output"], expected)
