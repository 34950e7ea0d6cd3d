"""Weights that nobody vouches for: read without running code, matched with the architecture."""

import pickle  # noqa: TID251 - for the name of its error; nothing is unpickled here
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from lathe_steps.base import Artifact
from lathe_steps.errors import BadInput
from lathe_steps.reasons import Reason
from lathe_steps.toolchains import candidates, torch_files
from lathe_steps.toolchains.networks import calls
from lathe_steps.toolchains.networks.models import model
from lathe_steps.toolchains.source import SourceModel

_SUFFIXES = {"Safetensors": (".safetensors",), "StateDict": (".pt", ".pth", ".bin", ".ckpt")}
_PREFIXES = ("module.", "_orig_mod.")
"""What torch's wrappers put before every name."""
_ZIP, _PICKLE = b"PK\x03\x04", b"\x80"
_SHOWN = 3

Tensors = Mapping[str, torch.Tensor]


def open_network(source: SourceModel, out: Path) -> Artifact:
    """Check the weights of a torch model and write them again as an artifact.

    Raises:
        BadInput: InvalidModel, UnsafeModel, ShapeMismatch or UnknownArchitecture.
        InvalidSpec: When the architecture does not take its arguments.
    """
    file = candidates.the_one(source.path, _SUFFIXES[source.format])
    network = model.fresh(source.architecture or "", source.args or {}, source.inputs)
    read = _read_safetensors if source.format == "Safetensors" else _read_state_dict
    tensors = _unwrapped(read(file))
    _check_match(file.name, tensors, network.module)
    model.fill(network.module, tensors)
    calls.workable_sizes(network.module, network.inputs)
    return model.save(network, out)


def _read_safetensors(file: Path) -> Tensors:
    try:
        torch_files.read_header(file)
        return load_file(file)
    except (ValueError, SafetensorError) as error:
        # Asked only now: the length of a sound header may begin as a pickle does.
        if _looks_like_torch(file):
            raise BadInput(
                f"{file.name}: it is a torch file, not safetensors; store it with "
                "safetensors.torch.save_file",
                reason=Reason.UNSAFE_MODEL,
            ) from error
        raise BadInput(f"{file.name}: {error}; store it again as safetensors") from error


def _looks_like_torch(file: Path) -> bool:
    begins = _begins(file)
    return begins == _ZIP or begins[:1] == _PICKLE


def _begins(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(len(_ZIP))


def _read_state_dict(file: Path) -> Tensors:
    if not _looks_like_torch(file):
        raise BadInput(f"{file.name}: it is no torch file; store it again with torch.save")
    if _begins(file) == _ZIP:
        _check_archive(file)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about protocols of pickle, to programmers
            loaded = torch.load(file, weights_only=True, map_location="cpu")
    except pickle.UnpicklingError as error:
        raise BadInput(
            f"{file.name}: it holds more than tensors, and is not loaded; store the state_dict "
            "alone, best as safetensors",
            reason=Reason.UNSAFE_MODEL,
        ) from error
    except Exception as error:  # an unpickler fails in any way on bytes that mean nothing
        raise BadInput(
            f"{file.name}: it is damaged or was cut off; store it again with torch.save"
        ) from error
    return _state_dict(file.name, loaded)


def _check_archive(file: Path) -> None:
    """An archive must be whole, say no more bytes than it has, and hold no TorchScript."""
    try:
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError) as error:
        raise BadInput(
            f"{file.name}: it is damaged or was cut off; store it again with torch.save"
        ) from error
    if sum(entry.file_size for entry in entries) > file.stat().st_size:
        raise BadInput(
            f"{file.name}: it says that it holds more bytes than it has",
            reason=Reason.UNSAFE_MODEL,
        )
    if any("/code/" in f"/{entry.filename}" for entry in entries):
        raise BadInput(
            f"{file.name}: it is a TorchScript archive, which holds code; store the state_dict "
            "as safetensors",
            reason=Reason.UNSAFE_MODEL,
        )


def _state_dict(name: str, loaded: Any) -> Tensors:  # noqa: ANN401 - whatever the file holds
    if isinstance(loaded, Mapping) and isinstance(loaded.get("state_dict"), Mapping):
        loaded = loaded["state_dict"]
    if not isinstance(loaded, Mapping) or not loaded:
        raise BadInput(f"{name}: it holds no state_dict; store model.state_dict()")
    for key, value in loaded.items():
        if not isinstance(key, str) or not _is_plain(value):
            raise BadInput(f"{name}: {key} is no dense tensor; store model.state_dict()")
    return dict(loaded)


def _is_plain(value: object) -> bool:
    return (
        isinstance(value, torch.Tensor)
        and value.layout is torch.strided
        and not value.is_quantized
        and value.device.type == "cpu"
    )


def _unwrapped(tensors: Tensors) -> Tensors:
    """Names without what torch's wrappers put before all of them."""
    for prefix in _PREFIXES:
        if tensors and all(name.startswith(prefix) for name in tensors):
            return _unwrapped({name.removeprefix(prefix): t for name, t in tensors.items()})
    return tensors


def _check_match(file: str, tensors: Tensors, module: nn.Module) -> None:
    """Refuse tensors that are not exactly those of the architecture.

    Of weights that are tied to one another, one is enough: that is how transformers stores them.
    """
    wanted = module.state_dict()
    counters = {name for name in wanted if name.endswith("num_batches_tracked")}
    given = {tensor.data_ptr() for name, tensor in wanted.items() if name in tensors}
    tied = {
        name for name, tensor in wanted.items() if tensor.numel() and tensor.data_ptr() in given
    }
    missing = sorted(wanted.keys() - tensors.keys() - counters - tied)
    unknown = sorted(tensors.keys() - wanted.keys())
    other = [
        f"{name} is {_spelled(tensors[name])} instead of {_spelled(wanted[name])}"
        for name in wanted
        if name in tensors and not _same_kind(tensors[name], wanted[name])
    ]
    problems = [
        *([f"{len(missing)} missing: {_some(missing)}"] if missing else []),
        *([f"{len(unknown)} unknown: {_some(unknown)}"] if unknown else []),
        *([_some(other, "; ")] if other else []),
    ]
    if problems:
        raise BadInput(
            f"{file}: its tensors are not those of model.architecture: {'; '.join(problems)}",
            reason=Reason.SHAPE_MISMATCH,
        )


def _same_kind(tensor: torch.Tensor, wanted: torch.Tensor) -> bool:
    return (
        tensor.shape == wanted.shape
        and tensor.is_floating_point() == wanted.is_floating_point()
        and tensor.is_complex() == wanted.is_complex()
    )


def _spelled(tensor: torch.Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')}{list(tensor.shape)}"


def _some(items: list[str], separator: str = ", ") -> str:
    more = f"{separator}…" if len(items) > _SHOWN else ""
    return separator.join(items[:_SHOWN]) + more
