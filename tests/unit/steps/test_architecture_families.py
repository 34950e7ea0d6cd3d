"""Architectures of timm and transformers: built from installed code, and taken through steps."""

import socket
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from lathe_steps.base import Artifact, Format, TensorSpec
from lathe_steps.errors import BadInput, InvalidSpec
from lathe_steps.export import Export
from lathe_steps.finetune import Finetune
from lathe_steps.prune import Prune
from lathe_steps.reasons import Reason
from lathe_steps.toolchains.networks.models import architectures, families
from lathe_steps.toolchains.source import SourceModel, open_source
from tests.step_runs import Bench, Samples, run

pytestmark = pytest.mark.toolchain

SMALL = {
    "vocab_size": 50,
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 16,
    "num_labels": 3,
}
BERT = "transformers.BertForSequenceClassification"
TOKENS = (
    TensorSpec("input_ids", "int64", ("batch", 8)),
    TensorSpec("attention_mask", "int64", ("batch", 8)),
)
IMAGE = (TensorSpec("x", "float32", ("batch", 3, 32, 32)),)
MODELS: dict[str, tuple[str, dict[str, Any], tuple[TensorSpec, ...]]] = {
    "a residual network of timm": (
        "timm.resnet10t",
        {"num_classes": 3, "stem_width": 8},
        IMAGE,
    ),
    "BERT": (BERT, {"config": SMALL}, TOKENS),
}


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("an architecture was looked for in the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def stored(folder: Path, ref: str, args: dict[str, Any]) -> Path:
    """Weights of a fresh model, as its package stores them."""
    module = architectures.build(ref, args)
    save_file({k: v.clone() for k, v in module.state_dict().items()}, folder / "model.safetensors")
    return folder / "model.safetensors"


def opened(folder: Path, ref: str, args: dict[str, Any], inputs: Any) -> tuple[Bench, Artifact]:
    bench = Bench(folder, inputs, {"train": samples(inputs)})
    source = SourceModel("Safetensors", stored(bench.folder(), ref, args), ref, args, inputs)
    return bench, open_source(source, bench.folder())


def samples(inputs: tuple[TensorSpec, ...]) -> Samples:
    random = np.random.default_rng(0)
    arrays = {
        spec.name: random.integers(0, 2, (12, *spec.shape[1:])).astype(spec.dtype)  # type: ignore[arg-type]
        for spec in inputs
    }
    return Samples("train", arrays, np.arange(12) % 3)


@pytest.mark.parametrize(("ref", "args", "inputs"), MODELS.values(), ids=MODELS)
def test_a_model_goes_through_every_step(
    ref: str, args: dict[str, Any], inputs: tuple[TensorSpec, ...], tmp_path: Path
) -> None:
    bench, artifact = opened(tmp_path, ref, args, inputs)

    trained = Finetune(dataset="train", batch_size=4).apply(artifact, bench.context())
    graph = Export().apply(trained, bench.context())

    given = samples(inputs).inputs
    (name,) = run(trained, given)
    assert graph.format is Format.ONNX
    assert name == ("logits" if ref.startswith("transformers") else "output")
    assert np.allclose(run(trained, given)[name], run(graph, given)[name], atol=1e-4)


def test_an_auto_class_builds_what_its_type_says() -> None:
    auto = architectures.build(
        "transformers.AutoModelForSequenceClassification",
        {"config": {"model_type": "bert", **SMALL}},
    )

    assert type(auto) is type(architectures.build(BERT, {"config": SMALL}))


def test_channels_of_timm_are_pruned(tmp_path: Path) -> None:
    ref, args, inputs = MODELS["a residual network of timm"]
    bench, artifact = opened(tmp_path, ref, args, inputs)

    pruned = Prune(target={"params": 0.5}).apply(artifact, bench.context())
    graph = Export().apply(pruned, bench.context())

    given = samples(inputs).inputs
    assert float(pruned.facts["params"]) < 0.6 * float(artifact.facts["params"])
    assert np.allclose(
        run(pruned, given)["output"], run(graph, given)["output"], atol=1e-4, rtol=1e-3
    )


def test_of_tied_weights_one_is_enough(tmp_path: Path) -> None:
    config = {**SMALL, "tie_word_embeddings": True}
    module = architectures.build("transformers.BertForMaskedLM", {"config": config})
    weights = {k: v.clone() + 1 for k, v in module.state_dict().items() if "decoder" not in k}
    save_file(weights, tmp_path / "model.safetensors")
    bench = Bench(tmp_path, TOKENS)
    source = SourceModel(
        "Safetensors",
        tmp_path / "model.safetensors",
        "transformers.BertForMaskedLM",
        {"config": config},
        TOKENS,
    )

    artifact = open_source(source, bench.folder())

    (scores,) = run(artifact, samples(TOKENS).inputs).values()
    expected = architectures.build("transformers.BertForMaskedLM", {"config": config})
    state = expected.state_dict()
    state.update(weights)
    state["cls.predictions.decoder.weight"] = weights["bert.embeddings.word_embeddings.weight"]
    state["cls.predictions.decoder.bias"] = weights["cls.predictions.bias"]
    expected.load_state_dict(state)
    tensors = {k: torch.from_numpy(v) for k, v in samples(TOKENS).inputs.items()}
    assert np.allclose(scores, expected(**tensors).logits.detach().numpy(), atol=1e-5)


REFUSED: dict[str, tuple[type[Exception], Reason, str, dict[str, Any]]] = {
    "a model that timm does not have": (
        BadInput,
        Reason.UNKNOWN_ARCHITECTURE,
        "timm.resnet10",
        {},
    ),
    "weights that timm would load": (
        BadInput,
        Reason.UNKNOWN_ARCHITECTURE,
        "timm.resnet18.a1_in1k",
        {},
    ),
    "a file that timm would load": (
        InvalidSpec,
        Reason.INVALID_SPEC,
        "timm.resnet10t",
        {"checkpoint_path": "/etc/passwd"},
    ),
    "where timm would load from": (
        InvalidSpec,
        Reason.INVALID_SPEC,
        "timm.resnet10t",
        {"pretrained_cfg": {"url": "http://example.com"}},
    ),
    "a class that transformers does not have": (
        BadInput,
        Reason.UNKNOWN_ARCHITECTURE,
        "transformers.BertForSequenceClasification",
        {},
    ),
    "something of transformers that is no model": (
        BadInput,
        Reason.UNKNOWN_ARCHITECTURE,
        "transformers.pipeline",
        {},
    ),
    "a class of models without a configuration": (
        BadInput,
        Reason.UNKNOWN_ARCHITECTURE,
        "transformers.PreTrainedModel",
        {},
    ),
    "a way into a package": (
        BadInput,
        Reason.UNKNOWN_ARCHITECTURE,
        "transformers.utils.hub",
        {},
    ),
    "no configuration": (InvalidSpec, Reason.INVALID_SPEC, BERT, {}),
    "a configuration in words": (InvalidSpec, Reason.INVALID_SPEC, BERT, {"config": "bert-base"}),
    "an Auto class without a type": (
        InvalidSpec,
        Reason.INVALID_SPEC,
        "transformers.AutoModel",
        {"config": SMALL},
    ),
    "code in a configuration": (
        InvalidSpec,
        Reason.INVALID_SPEC,
        BERT,
        {"config": {**SMALL, "auto_map": {"AutoModel": "evil--model.Model"}}},
    ),
    "kernels from elsewhere": (
        InvalidSpec,
        Reason.INVALID_SPEC,
        BERT,
        {"config": {**SMALL, "attn_implementation": "kernels-community/flash-attn"}},
    ),
    "weights deep in a configuration": (
        InvalidSpec,
        Reason.INVALID_SPEC,
        BERT,
        {"config": {"nested": [{"use_pretrained_backbone": True}]}},
    ),
    "a configuration without end": (
        InvalidSpec,
        Reason.INVALID_SPEC,
        BERT,
        {"config": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {"a": {
            "a": {"a": {"a": {"a": {"a": {"a": 1}}}}}}}}}}}}}}}}}}},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("error", "reason", "ref", "args"), REFUSED.values(), ids=REFUSED)
def test_it_refuses(
    error: type[BadInput | InvalidSpec], reason: Reason, ref: str, args: dict[str, Any]
) -> None:
    with pytest.raises(error) as refusal:
        architectures.build(ref, args)

    assert refusal.value.reason is reason


@pytest.mark.parametrize("package", ["timm", "transformers"])
def test_a_package_that_is_missing_is_named(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def without(name: str) -> object:
        return None if name == package else find_spec(name)

    monkeypatch.setattr(families, "find_spec", without)

    with pytest.raises(BadInput) as refusal:
        architectures.build(f"{package}.anything", {})

    assert refusal.value.reason is Reason.UNKNOWN_ARCHITECTURE
    assert f"lathe[{package}]" in refusal.value.message


def test_a_misspelt_class_gets_the_near_ones() -> None:
    with pytest.raises(BadInput) as refusal:
        architectures.build("transformers.BertForSequenceClasification", {})

    assert BERT in refusal.value.message
