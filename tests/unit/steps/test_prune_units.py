"""What is removed as a unit, and which units go first."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lathe_steps.base import Artifact, TensorSpec
from lathe_steps.errors import Internal, InvalidSpec
from lathe_steps.finetune import Finetune
from lathe_steps.prune import Prune
from lathe_steps.sensitivity import Sensitivity
from lathe_steps.toolchains import sensitivity_map
from lathe_steps.toolchains.networks.models import architectures, model
from lathe_steps.toolchains.networks.models.attention import SelfAttention
from tests.step_runs import Bench, Samples, accuracy, run

pytestmark = pytest.mark.toolchain

ENCODER = {"vocabulary": 20, "dim": 32, "layers": 3, "heads": 4, "length": 8, "num_classes": 2}
TOKENS = np.random.default_rng(0).integers(0, 20, (64, 8))
BLOCKS = {"granularity": "Block", "data": {"dataset": "tokens"}}


@pytest.fixture
def sequences(bench: Bench) -> Bench:
    bench.inputs = (TensorSpec("tokens", "int64", ("batch", 8)),)
    bench.datasets = {"tokens": Samples("tokens", {"tokens": TOKENS}, TOKENS[:, 0] % 2)}
    return bench


def pruned(bench: Bench, artifact: Artifact, share: float, **asked: Any) -> Artifact:
    step = Prune.model_validate({"target": {"params": share}, **asked})
    return step.apply(artifact, bench.context(source=artifact))


def changed(bench: Bench, artifact: Artifact, **weights: Any) -> Artifact:
    """The same model with some weights multiplied."""
    network = model.load(artifact)
    with torch.no_grad():
        for name, factor in weights.items():
            network.module.get_parameter(name).mul_(factor)
    return model.save(network, bench.folder())


def heads(artifact: Artifact) -> list[int]:
    module: Any = model.load(artifact).module
    return [layer.attention.heads for layer in module.layers]


@pytest.mark.parametrize("importance", ["L1", "L2", "Random", "Taylor"])
def test_heads_are_removed(sequences: Bench, importance: str) -> None:
    encoder = sequences.network("lathe.small_encoder", **ENCODER)
    data = {"data": {"dataset": "tokens"}} if importance == "Taylor" else {}

    fewer = pruned(sequences, encoder, 0.85, granularity="Head", importance=importance, **data)

    assert sum(heads(fewer)) < 12
    assert min(heads(fewer)) >= 1
    assert 0.75 < float(fewer.facts["params"]) / float(fewer.facts["params_before"]) <= 0.85
    assert run(fewer, {"tokens": TOKENS})["output"].shape == (64, 2)


def test_a_head_that_nobody_listens_to_goes_first(sequences: Bench) -> None:
    silent = torch.ones(32)
    silent[8:16] = 0  # the second head
    encoder = changed(
        sequences,
        sequences.network("lathe.small_encoder", **ENCODER),
        **{f"layers.{i}.attention.{name}.weight": silent for i, name in ((1, "output"),)},
        **{"layers.1.attention.value.weight": silent[:, None]},
    )

    fewer = pruned(sequences, encoder, 0.99, granularity="Head")

    assert heads(fewer) == [4, 3, 4]
    out = {"tokens": TOKENS}
    assert np.allclose(run(fewer, out)["output"], run(encoder, out)["output"], atol=1e-5)


class Vision(nn.Module):
    """torch's attention, as torchvision's vision transformers call it."""

    def __init__(self) -> None:
        super().__init__()
        self.lift = nn.Linear(8, 32)
        self.attention = nn.MultiheadAttention(32, 4, batch_first=True)
        self.last = nn.Linear(32, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.lift(x.flatten(1, 2))
        x = x + self.attention(x, x, x, need_weights=False)[0]
        scores: torch.Tensor = self.last(x.mean(1))
        return scores


def test_heads_of_torchs_attention_are_removed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(architectures._OWN, "lathe.vision", Vision)

    fewer = pruned(bench, bench.network("lathe.vision"), 0.7, granularity="Head")

    attention: Any = model.load(fewer).module.get_submodule("attention")
    assert isinstance(attention, SelfAttention)
    assert attention.heads == 2
    assert attention.query.out_features == 16


def test_heads_of_timm_and_bert_are_removed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    import timm
    from transformers import BertConfig, BertModel

    def bert() -> nn.Module:
        sizes: dict[str, Any] = {"hidden_size": 32, "num_attention_heads": 4}
        return BertModel(
            BertConfig(vocab_size=20, num_hidden_layers=2, intermediate_size=32, **sizes)
        )

    def vit() -> nn.Module:
        sizes: dict[str, Any] = {"img_size": 8, "patch_size": 4, "in_chans": 1, "embed_dim": 32}
        return timm.create_model("vit_tiny_patch16_224", depth=2, num_heads=4, **sizes)

    monkeypatch.setitem(architectures._OWN, "lathe.bert", bert)
    monkeypatch.setitem(architectures._OWN, "lathe.vit", vit)

    seen = pruned(bench, bench.network("lathe.vit"), 0.97, granularity="Head")
    bench.inputs = (TensorSpec("input_ids", "int64", ("batch", 8)),)
    read = pruned(bench, bench.network("lathe.bert"), 0.9, granularity="Head")

    blocks: Any = model.load(seen).module
    assert sum(block.attn.num_heads for block in blocks.blocks) < 8
    layers: Any = model.load(read).module
    assert sum(layer.attention.self.num_attention_heads for layer in layers.encoder.layer) < 8
    assert run(read, {"input_ids": TOKENS})


def test_a_block_that_changes_nothing_goes_first(sequences: Bench) -> None:
    nothing = {
        f"layers.1.{name}.{leaf}": 0
        for name in ("attention.output", "narrow")
        for leaf in ("weight", "bias")
    }
    encoder = changed(sequences, sequences.network("lathe.small_encoder", **ENCODER), **nothing)

    fewer = pruned(sequences, encoder, 0.9, **BLOCKS)

    module: Any = model.load(fewer).module
    assert [type(layer) is nn.Identity for layer in module.layers] == [False, True, False]
    out = {"tokens": TOKENS}
    assert np.allclose(run(fewer, out)["output"], run(encoder, out)["output"], atol=1e-6)


def test_blocks_of_convolutions_are_whole(bench: Bench) -> None:
    fewer = pruned(bench, bench.network(), 0.95, granularity="Block", data={"dataset": "calib"})

    module: Any = model.load(fewer).module
    gone = [name for name, child in module.named_modules() if type(child) is nn.Identity]
    assert gone in (["stages.0"], ["stages.2"])


NOT_ENOUGH = {
    "more than all blocks": ({"granularity": "Block", "data": {"dataset": "tokens"}}, 0.01),
    "more than all heads but one": ({"granularity": "Head"}, 0.1),
    "heads that are ignored": ({"granularity": "Head", "ignore": ["*attention*"]}, 0.9),
    "blocks that are ignored": ({**BLOCKS, "ignore": ["layers.*"]}, 0.9),
}


@pytest.mark.parametrize(("asked", "share"), NOT_ENOUGH.values(), ids=NOT_ENOUGH)
def test_it_refuses(sequences: Bench, asked: dict[str, Any], share: float) -> None:
    with pytest.raises(InvalidSpec):
        pruned(sequences, sequences.network("lathe.small_encoder", **ENCODER), share, **asked)


def test_a_model_without_attention_has_no_heads(bench: Bench) -> None:
    with pytest.raises(InvalidSpec):
        pruned(bench, bench.network(), 0.9, granularity="Head")


@pytest.mark.parametrize("labels", [True, False], ids=["labels", "the input model's answers"])
def test_importance_for_the_loss_finds_what_matters(bench: Bench, *, labels: bool) -> None:
    course = Finetune.model_validate({"dataset": "train", "epochs": 8, "learningRate": 5e-3})
    taught = course.apply(bench.network("lathe.mlp", hidden=[64, 64]), bench.context())
    data = {"dataset": "train" if labels else "calib"}

    least = pruned(bench, taught, 0.4, importance="Taylor", data=data, roundTo=1)

    chance = pruned(bench, taught, 0.4, importance="Random", roundTo=1)
    val = bench.datasets["val"]
    assert isinstance(val, Samples)
    assert accuracy(least, val) > accuracy(chance, val) + 0.1


def widths(artifact: Artifact) -> list[int]:
    layers = model.load(artifact).module.modules()
    return [layer.out_features for layer in layers if isinstance(layer, nn.Linear)]


def half_deaf(bench: Bench) -> Artifact:
    """A perceptron that knows the digits, with half of its second layer unheard."""
    course = Finetune.model_validate({"dataset": "train", "epochs": 8, "learningRate": 5e-3})
    taught = course.apply(bench.network("lathe.mlp", hidden=[64, 64]), bench.context())
    heard = torch.ones(64)
    heard[::2] = 0
    return changed(
        bench, taught, **{"5.weight": heard, "3.weight": heard[:, None], "3.bias": heard}
    )


def test_the_map_says_which_layer_matters_and_pruning_follows_it(bench: Bench) -> None:
    deaf = half_deaf(bench)

    mapped = Sensitivity.model_validate({"dataset": "val"}).apply(deaf, bench.context())

    found = sensitivity_map.read(mapped.path)
    assert found is not None
    assert mapped.evidence == (found,)
    assert [layer.name for layer in found.layers] == ["1", "3"]
    assert found.layers[0].drop > found.layers[1].drop == 0
    assert mapped.main.read_bytes() == deaf.main.read_bytes()
    assert (found.metric, found.samples) == ("Top1", 400)
    followed = pruned(bench, mapped, 0.75, scope="Sensitivity", roundTo=1)
    first, second, _ = widths(followed)
    assert second < 40
    assert first > 60
    assert sensitivity_map.read(followed.path) is None


def test_without_a_map_it_cannot_be_followed(bench: Bench) -> None:
    with pytest.raises(InvalidSpec):
        pruned(bench, bench.network("lathe.mlp"), 0.5, scope="Sensitivity")


def test_a_map_of_another_model_is_refused(bench: Bench) -> None:
    mapped = Sensitivity.model_validate({"dataset": "calib", "samples": 8}).apply(
        bench.network("lathe.mlp"), bench.context()
    )
    other = bench.network()
    (other.path / sensitivity_map.FILE).write_bytes(
        (mapped.path / sensitivity_map.FILE).read_bytes()
    )

    with pytest.raises(InvalidSpec):
        pruned(bench, other, 0.5, scope="Sensitivity")


def test_a_map_that_is_none_is_our_fault(bench: Bench) -> None:
    network = bench.network("lathe.mlp")
    (network.path / sensitivity_map.FILE).write_text("{}")

    with pytest.raises(Internal):
        pruned(bench, network, 0.5, scope="Sensitivity")


def test_without_labels_the_map_is_about_answers(bench: Bench) -> None:
    mapped = Sensitivity.model_validate({"dataset": "calib", "samples": 16}).apply(
        bench.network("lathe.mlp"), bench.context()
    )

    assert mapped.facts["samples"] == 16
    (found,) = mapped.evidence
    assert getattr(found, "metric", None) == "Agreement"


def test_a_graph_is_mapped_by_rounding_and_passes_unchanged(bench: Bench) -> None:
    graph = bench.graph()

    mapped = Sensitivity.model_validate({"dataset": "calib", "samples": 16}).apply(
        graph, bench.context()
    )

    found = sensitivity_map.read(mapped.path)
    assert found is not None
    assert (found.change, found.metric) == ("8 bits", "Agreement")
    assert {layer.name for layer in found.layers} == {"first", "second", "last"}
    assert mapped.main.read_bytes() == graph.main.read_bytes()
    assert mapped.entry == graph.entry
