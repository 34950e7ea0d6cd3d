"""Factorising: only where it pays, and as the model goes on through the chain."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lathe_steps.base import Artifact, TensorSpec
from lathe_steps.distill import Distill
from lathe_steps.errors import InvalidSpec
from lathe_steps.evidence import Curve
from lathe_steps.export import Export
from lathe_steps.factorize import Factorize
from lathe_steps.fuse import Fuse
from lathe_steps.prune import Prune
from lathe_steps.toolchains.networks.models import architectures, model
from tests.step_runs import Bench, run

pytestmark = pytest.mark.toolchain


def factorize(**asked: Any) -> Factorize:
    return Factorize.model_validate({"where": "Smaller", **asked})


def layers(artifact: Artifact) -> dict[str, nn.Module]:
    return dict(model.load(artifact).module.named_modules())


def test_a_layer_of_low_rank_computes_the_same_with_fewer_weights(bench: Bench) -> None:
    perceptron = bench.network("lathe.mlp", hidden=[64, 64])
    network = model.load(perceptron)
    with torch.no_grad():
        thick = network.module.get_parameter("3.weight")
        thick.copy_(torch.randn(64, 4) @ torch.randn(4, 64))
    perceptron = model.save(network, bench.folder())
    x = {"x": np.random.default_rng(0).normal(size=(3, 1, 8, 8)).astype(np.float32)}

    thin = factorize(target={"energy": 0.99999}).apply(perceptron, bench.context())

    assert np.allclose(run(thin, x)["output"], run(perceptron, x)["output"], atol=1e-3)
    assert (thin.facts["layers_changed"], thin.facts["ranks"]) == (1, "3 (4)")
    assert thin.facts["params_before"] == 64 * 64 * 2 + 64 * 2 + 650
    assert thin.facts["params"] == 64 * 64 + 64 * 4 * 2 + 64 * 2 + 650


def test_a_layer_is_changed_only_where_it_gets_faster(bench: Bench) -> None:
    perceptron = bench.network("lathe.mlp", hidden=[1024, 1024, 8])

    thin = factorize(where="Faster", target={"rank": 6}).apply(perceptron, bench.context())

    found = layers(thin)
    assert isinstance(found["3"], nn.Sequential)  # a million weights
    assert isinstance(found["7"], nn.Linear)  # eighty: six ranks would be more
    assert float(thin.facts["changed_layers_ms"]) < float(thin.facts["changed_layers_ms_before"])
    before, after = thin.evidence
    assert isinstance(before, Curve)
    assert isinstance(after, Curve)
    assert len(before.points) == len(after.points) == thin.facts["layers_changed"]
    assert all(now[1] < then[1] for then, now in zip(before.points, after.points, strict=True))


def test_what_is_factorised_goes_through_the_chain(bench: Bench) -> None:
    source = bench.network()
    teach = {"dataset": "train", "maxSteps": 2}
    x = {"x": np.random.default_rng(0).normal(size=(3, 1, 8, 8)).astype(np.float32)}

    chain = source
    for step in (
        factorize(target={"params": 0.4}),
        Distill.model_validate(teach),
        Prune.model_validate({"target": {"params": 0.5}}),
        Fuse(),
    ):
        chain = step.apply(chain, bench.context(source=source))
    exported = Export().apply(chain, bench.context())

    assert float(chain.facts["params"]) < 0.35 * model.load(source).parameters
    assert np.allclose(run(exported, x)["output"], run(chain, x)["output"], atol=1e-4)


def test_kinds_of_layers_are_chosen(bench: Bench) -> None:
    bench.inputs = (TensorSpec("tokens", "int64", ("batch", 8)),)
    encoder = bench.network(
        "lathe.small_encoder", vocabulary=500, dim=32, layers=1, heads=2, length=8
    )

    thin = factorize(modules=["Embedding"], target={"rank": 8}).apply(encoder, bench.context())

    assert thin.facts["ranks"] == "tokens (8)"


def test_ignored_and_tied_layers_are_left_alone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Tied(nn.Sequential):
        def __init__(self) -> None:
            super().__init__(nn.Flatten(), *(nn.Linear(64, 64) for _ in range(4)))
            self[2].weight = self[1].weight

    monkeypatch.setitem(architectures._OWN, "lathe.tied", Tied)

    thin = factorize(target={"rank": 4}, ignore=["3"]).apply(
        bench.network("lathe.tied"), bench.context()
    )

    assert thin.facts["ranks"] == "4 (4)"


REFUSED = {
    "when nothing is saved": {"target": {"rank": 1000}},
    "when as much is asked for as cannot be saved": {"target": {"rank": 16}, "minSaving": 0.99},
    "an entry of ignore that matches nothing": {"target": {"rank": 4}, "ignore": ["conv*"]},
    "kinds of layers that there are not": {"target": {"rank": 4}, "modules": ["Embedding"]},
}


@pytest.mark.parametrize("asked", REFUSED.values(), ids=REFUSED)
def test_it_refuses(bench: Bench, asked: dict[str, Any]) -> None:
    with pytest.raises(InvalidSpec):
        factorize(**asked).apply(bench.network("lathe.mlp"), bench.context())


def test_a_refusal_says_why_small_layers_are_not_faster(bench: Bench) -> None:
    perceptron = bench.network("lathe.mlp", hidden=[16])

    with pytest.raises(InvalidSpec) as refusal:
        factorize(where="Faster", target={"rank": 1}).apply(perceptron, bench.context())

    assert " ms in parts" in refusal.value.message
