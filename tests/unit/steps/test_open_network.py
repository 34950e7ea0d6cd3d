"""Opening torch weights that nobody vouches for."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from lathe_steps.base import TensorSpec
from lathe_steps.errors import BadInput
from lathe_steps.reasons import Reason
from lathe_steps.toolchains.networks.models import architectures, model
from lathe_steps.toolchains.source import SourceModel, inputs_of, open_source
from tests import corpus
from tests.step_runs import X

pytestmark = pytest.mark.toolchain

ARGS = {"features": 64, "hidden": [8], "num_classes": 3}


def mlp() -> dict[str, torch.Tensor]:
    """A state dict of the architecture that the tests declare."""
    return architectures.build("lathe.mlp", ARGS).state_dict()


def source(path: Path, **changes: Any) -> SourceModel:
    format_ = "StateDict" if path.suffix in {".pt", ".pth"} else "Safetensors"
    declared = {"architecture": "lathe.mlp", "args": ARGS, "inputs": (X,)}
    return SourceModel(**{"format": format_, "path": path, **declared, **changes})


def out(tmp_path: Path) -> Path:
    made = tmp_path / "out"
    made.mkdir()
    return made


def test_safetensors_are_opened(tmp_path: Path) -> None:
    save_file(mlp(), tmp_path / "any name.safetensors")

    artifact = open_source(source(tmp_path), out(tmp_path))

    assert sorted(file.name for file in artifact.path.iterdir()) == sorted(artifact.entry)
    assert inputs_of(artifact) == (X,)
    assert model.load(artifact).parameters == artifact.facts["params"] == 64 * 8 + 8 + 8 * 3 + 3


def halved(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: tensor.half() for name, tensor in state.items()}


def wrapped(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {f"module.{name}": tensor for name, tensor in state.items()}


SPELLINGS: dict[str, Callable[[dict[str, torch.Tensor]], Any]] = {
    "as torch stores it": lambda state: state,
    "within a training checkpoint": lambda state: {"epoch": 3, "state_dict": state},
    "by a data-parallel wrapper": wrapped,
    "by a compiled data-parallel wrapper": lambda state: {
        f"_orig_mod.{name}": tensor for name, tensor in wrapped(state).items()
    },
    "in 16 bits": halved,
}


@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)
def test_a_state_dict_is_opened(tmp_path: Path, spell: Callable[[Any], Any]) -> None:
    torch.save(spell(mlp()), tmp_path / "model.pt")

    artifact = open_source(source(tmp_path / "model.pt"), out(tmp_path))

    weights = model.load(artifact).module.state_dict()
    assert weights.keys() == mlp().keys()
    assert {tensor.dtype for tensor in weights.values()} == {torch.float32}


def test_counters_of_old_normalisations_may_be_missing(tmp_path: Path) -> None:
    args = {"num_classes": 3, "width": 8}
    state = architectures.build("lathe.small_cnn", args).state_dict()
    save_file(
        {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")},
        tmp_path / "model.safetensors",
    )

    opened = open_source(
        source(tmp_path / "model.safetensors", architecture="lathe.small_cnn", args=args),
        out(tmp_path),
    )

    assert model.load(opened).ref == "lathe.small_cnn"


DAMAGED: dict[str, tuple[Reason, Callable[[Path], Path]]] = {
    "a bare pickle with code": (Reason.UNSAFE_MODEL, corpus.legacy_pickle),
    "a torch file with code": (Reason.UNSAFE_MODEL, corpus.torch_pickle),
    "a module stored as an object": (Reason.UNSAFE_MODEL, corpus.whole_module),
    "TorchScript": (Reason.UNSAFE_MODEL, corpus.torchscript),
    "an archive that says it is larger than it is": (Reason.UNSAFE_MODEL, corpus.zip_bomb),
    "a torch file under another name": (Reason.UNSAFE_MODEL, corpus.pickled_safetensors),
    "tensors without names": (Reason.INVALID_MODEL, corpus.not_a_state_dict),
    "half a torch file": (Reason.INVALID_MODEL, corpus.cut_off),
    "random bytes as a torch file": (Reason.INVALID_MODEL, corpus.garbage),
    "an empty torch file": (Reason.INVALID_MODEL, lambda f: corpus.empty(f, "model.pt")),
    "random bytes as safetensors": (
        Reason.INVALID_MODEL,
        lambda f: corpus.garbage(f, "model.safetensors"),
    ),
    "an empty safetensors file": (
        Reason.INVALID_MODEL,
        lambda f: corpus.empty(f, "model.safetensors"),
    ),
    "a header without end": (Reason.INVALID_MODEL, corpus.endless_header),
    "a tensor beyond the end": (Reason.INVALID_MODEL, corpus.overlapping),
    "a header that is too deep": (Reason.INVALID_MODEL, corpus.deep_header),
    "a header of something else": (Reason.INVALID_MODEL, lambda f: corpus.safetensors(f, [1])),
}


@pytest.mark.parametrize(("reason", "make"), DAMAGED.values(), ids=DAMAGED)
def test_it_refuses(tmp_path: Path, reason: Reason, make: Callable[[Path], Path]) -> None:
    file = make(tmp_path)

    with pytest.raises(BadInput) as refusal:
        open_source(source(file), out(tmp_path))

    assert refusal.value.reason is reason
    assert file.name in refusal.value.message
    assert "\n" not in refusal.value.message
    assert not (tmp_path / corpus.SENTINEL).exists()


def changed(name: str, tensor: torch.Tensor | None) -> dict[str, torch.Tensor]:
    """The state dict with one tensor changed, added or left out."""
    state = {**mlp(), name: tensor}
    return {key: value for key, value in state.items() if value is not None}


MISMATCHES = {
    "a tensor is missing": ("1.weight", changed("1.weight", None)),
    "a tensor is unknown": ("9.weight", changed("9.weight", torch.zeros(1))),
    "a tensor has another shape": ("1.weight", changed("1.weight", torch.zeros(8, 63))),
    "a tensor has other numbers": (
        "1.weight",
        changed("1.weight", torch.zeros(8, 64, dtype=torch.int8)),
    ),
}


@pytest.mark.parametrize(("key", "state"), MISMATCHES.values(), ids=MISMATCHES)
def test_weights_must_be_the_architectures(
    tmp_path: Path, key: str, state: dict[str, torch.Tensor]
) -> None:
    save_file(state, tmp_path / "model.safetensors")

    with pytest.raises(BadInput) as refusal:
        open_source(source(tmp_path), out(tmp_path))

    assert refusal.value.reason is Reason.SHAPE_MISMATCH
    assert key in refusal.value.message


def test_declared_inputs_must_be_what_the_model_takes(tmp_path: Path) -> None:
    save_file(mlp(), tmp_path / "model.safetensors")
    declared = (TensorSpec("x", "float32", ("batch", 1, 9, 9)),)

    with pytest.raises(BadInput) as refusal:
        open_source(source(tmp_path, inputs=declared), out(tmp_path))

    assert refusal.value.reason is Reason.SHAPE_MISMATCH


FOLDERS = {
    "two models": ("a.safetensors", "b.safetensors"),
    "none": ("README.md",),
}


@pytest.mark.parametrize("names", FOLDERS.values(), ids=FOLDERS)
def test_a_folder_must_hold_one_model(tmp_path: Path, names: tuple[str, ...]) -> None:
    folder = tmp_path / "fetched"
    folder.mkdir()
    for name in names:
        (folder / name).touch()

    with pytest.raises(BadInput) as refusal:
        open_source(source(folder), out(tmp_path))

    assert all(name in refusal.value.message for name in names)
