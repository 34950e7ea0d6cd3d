"""Architectures of torchvision, pruned, stored and built again."""

import numpy as np
import torch

from lathe_steps.base import TensorSpec
from lathe_steps.prune import Prune
from lathe_steps.toolchains.networks import model
from tests.step_runs import Bench, run


def pruned_and_stored(bench: Bench, ref: str, share: float, size: int = 64) -> None:
    """Prune an architecture to a share of its weights; what is stored computes the same.

    Args:
        bench: Where to work.
        ref: The architecture.
        share: Share of the weights to keep.
        size: Height and width of the images.
    """
    bench.inputs = (TensorSpec("x", "float32", ("batch", 3, size, size)),)
    args = {"num_classes": 10} if ref.startswith("torchvision.") else {}
    torch.manual_seed(0)
    artifact = model.save(model.fresh(ref, args, bench.inputs), bench.folder())
    x = np.random.default_rng(0).normal(size=(2, 3, size, size)).astype(np.float32)

    pruned = Prune.model_validate({"target": {"params": share}}).apply(artifact, bench.context())

    left = float(pruned.facts["params"]) / float(pruned.facts["params_before"])
    assert share - 0.15 < left <= share
    network = model.load(pruned)
    assert pruned.facts["params"] == network.parameters
    with torch.no_grad():
        expected = network.module(torch.from_numpy(x)).numpy()
    assert expected.shape == (2, 10)
    assert np.array_equal(run(model.save(network, bench.folder()), {"x": x})["output"], expected)
