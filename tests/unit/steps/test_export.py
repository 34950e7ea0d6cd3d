"""From torch to ONNX: folding and export."""

from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from lathe_steps.base import Artifact, TensorSpec
from lathe_steps.errors import Internal
from lathe_steps.export import Export
from lathe_steps.fuse import Fuse
from lathe_steps.prune import Prune
from lathe_steps.reasons import Reason
from lathe_steps.toolchains.networks.models import architectures, exporting, model
from lathe_steps.toolchains.networks.rewriting import folding
from lathe_steps.toolchains.source import inputs_of
from tests.step_runs import Bench, run

pytestmark = pytest.mark.toolchain

IMAGES = np.random.default_rng(0).normal(size=(5, 1, 8, 8)).astype(np.float32)


def trained(bench: Bench, ref: str = "lathe.small_cnn", **args: Any) -> Artifact:
    """A network whose normalisations have seen something."""
    network = model.load(bench.network(ref, **args))
    network.module.train()
    with torch.no_grad():
        network.module(torch.from_numpy(IMAGES))
    network.module.eval()
    return model.save(network, bench.folder())


def test_the_file_computes_what_torch_does(bench: Bench) -> None:
    network = trained(bench, width=8)

    exported = Export().apply(network, bench.context())

    assert exported.entry == ("model.onnx",)
    assert inputs_of(exported) == bench.inputs
    for count in (1, 2, 5):
        expected = run(network, {"x": IMAGES[:count]})["output"]
        assert np.allclose(run(exported, {"x": IMAGES[:count]})["output"], expected, atol=1e-5)
    assert float(exported.facts["largest_difference"]) < 1e-5


def test_nodes_have_the_names_of_layers_and_nothing_else_is_told(bench: Bench) -> None:
    exported = Export().apply(bench.network(width=8), bench.context())

    graph = onnx.load(exported.main).graph
    assert {"stem.0/Conv", "stages.1.shortcut.0/Conv", "classifier/Gemm"} <= {
        node.name for node in graph.node
    }
    assert b"/tests/" not in exported.main.read_bytes()
    assert b"site-packages" not in exported.main.read_bytes()
    assert not graph.value_info


@pytest.mark.parametrize("opset", [17, 18, 20, 22])
def test_the_operator_set_is_the_one_that_was_asked_for(bench: Bench, opset: int) -> None:
    exported = Export(opset=opset).apply(bench.network("lathe.mlp"), bench.context())

    imported = {entry.domain: entry.version for entry in onnx.load(exported.main).opset_import}
    assert imported[""] == opset


def test_an_axis_of_a_given_size_keeps_it(bench: Bench) -> None:
    bench.inputs = (TensorSpec("x", "float32", (1, 1, 8, 8)),)

    exported = Export().apply(bench.network("lathe.mlp"), bench.context())

    assert inputs_of(exported) == bench.inputs


class Reader(nn.Module):
    """Integers and floats in, a mapping and numbers out."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.last = nn.Embedding(2, 6), nn.Linear(6, 3)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> dict[str, Any]:
        embedded = self.words(ids) * mask.unsqueeze(-1)
        scores = self.last(embedded.mean(dim=1))
        return {"scores": scores, "pair": (embedded, scores.argmax(dim=1)), "note": None}


def test_several_inputs_and_outputs_keep_their_names(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(architectures._OWN, "lathe.reader", Reader)
    bench.inputs = (
        TensorSpec("mask", "float32", ("rows", "length")),
        TensorSpec("ids", "int64", ("rows", "length")),
    )
    network = bench.network("lathe.reader")
    inputs: dict[str, Any] = {
        "mask": np.ones((3, 7), np.float32),
        "ids": np.ones((3, 7), np.int64),
    }

    exported = Export().apply(network, bench.context())

    assert inputs_of(exported) == bench.inputs
    found, expected = run(exported, inputs), run(network, inputs)
    assert list(found) == ["scores", "pair.output_0", "pair.output_1"]
    for name, values in expected.items():
        assert np.allclose(found[name], values, atol=1e-5)


def test_names_that_forward_does_not_have_are_given_by_position(bench: Bench) -> None:
    bench.inputs = (TensorSpec("images:0", "float32", ("N", 1, 8, 8)),)

    exported = Export().apply(bench.network("lathe.mlp"), bench.context())

    assert inputs_of(exported) == bench.inputs


class Branches(nn.Module):
    """Chooses its way by the values of its input, which no graph can."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Linear(64, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores: torch.Tensor = self.last(x.flatten(1))
        return scores if float(scores.sum()) > 0 else -scores


def test_what_torch_cannot_export_is_unsupported(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(architectures._OWN, "lathe.branches", Branches)

    with pytest.raises(Internal) as refusal:
        Export().apply(bench.network("lathe.branches"), bench.context())

    assert refusal.value.reason is Reason.UNSUPPORTED_MODEL
    assert "\n" not in refusal.value.message


def test_a_file_that_computes_something_else_is_refused(bench: Bench) -> None:
    network = bench.network("lathe.mlp")
    other = model.load(network)
    with torch.no_grad():
        next(other.module.parameters()).mul_(1.01)
    exported = exporting.export(model.load(network), bench.folder(), opset=18)

    with pytest.raises(Internal) as refusal:
        exporting.check(other, exported, tolerance=1e-3, threads=1)

    assert refusal.value.reason is Reason.CONVERSION_MISMATCH


def test_folding_changes_no_output_and_leaves_no_normalisation(bench: Bench) -> None:
    network = trained(bench)

    fused = Fuse().apply(network, bench.context())

    module = model.load(fused).module
    assert not [child for child in module.modules() if isinstance(child, nn.BatchNorm2d)]
    assert fused.facts["folded"] == 11
    expected = run(network, {"x": IMAGES})["output"]
    assert np.allclose(run(fused, {"x": IMAGES})["output"], expected, rtol=1e-4, atol=1e-4)


def test_a_pruned_and_folded_network_is_exported(bench: Bench) -> None:
    pruned = Prune.model_validate({"target": {"params": 0.4}}).apply(
        trained(bench), bench.context()
    )

    fused = Fuse().apply(pruned, bench.context())
    exported = Export().apply(fused, bench.context())

    expected = run(pruned, {"x": IMAGES})["output"]
    assert np.allclose(run(exported, {"x": IMAGES})["output"], expected, rtol=1e-3, atol=1e-4)


class Forks(nn.Module):
    """Normalisations that can and that cannot be folded."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.first_norm = nn.Linear(64, 16), nn.BatchNorm1d(16)
        self.forked, self.forked_norm = nn.Linear(16, 16), nn.BatchNorm1d(16)
        self.twice, self.twice_norm = nn.Linear(16, 16), nn.BatchNorm1d(16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first_norm(self.first(x.flatten(1)))
        forked = self.forked(torch.relu(x))
        x = self.forked_norm(forked) + forked
        x = self.twice_norm(self.twice(x))
        return self.twice_norm(self.twice(x))  # type: ignore[no-any-return]


def test_only_what_folds_without_a_change_is_folded(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(architectures._OWN, "lathe.forks", Forks)
    network = model.load(trained(bench, "lathe.forks"))

    pairs, difference = folding.fold(network)

    assert pairs == (folding.Pair("first", "first_norm"),)
    assert difference.relative < 1e-4
