"""What a training needs to go on as if it had never been stopped, as files: never a pickle."""

import base64
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from lathe_steps.base import Checkpoints
from lathe_steps.toolchains.networks.models.model import separate

_DOCUMENT = "training.json"
_SUFFIX = ".safetensors"

Tensors = Mapping[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class State:
    """How far a training is.

    Attributes:
        groups: Named tensors, each group in a file of its own.
        counts: Everything else, as JSON takes it.
    """

    groups: Mapping[str, Tensors]
    counts: Mapping[str, Any]


def save(checkpoints: Checkpoints, state: State) -> None:
    """Keep a state, with that of torch's random numbers."""

    def write(folder: Path) -> None:
        for name, tensors in state.groups.items():
            if tensors:
                save_file(separate(tensors), folder / f"{name}{_SUFFIX}")
        document = {"counts": state.counts, "random": _random()}
        (folder / _DOCUMENT).write_text(json.dumps(document))

    checkpoints.save(write)


def latest(checkpoints: Checkpoints) -> State | None:
    """What was kept last, if anything was; torch's random numbers go on as from there."""
    folder = checkpoints.latest()
    if folder is None or not (folder / _DOCUMENT).is_file():
        return None
    document = json.loads((folder / _DOCUMENT).read_text())
    _go_on(document["random"])
    groups = {file.stem: load_file(file) for file in sorted(folder.glob(f"*{_SUFFIX}"))}
    return State(groups, document["counts"])


def _random() -> dict[str, list[str]]:
    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"cpu": [_text(torch.get_rng_state())], "cuda": [_text(state) for state in devices]}


def _go_on(states: Mapping[str, list[str]]) -> None:
    torch.set_rng_state(_bytes(states["cpu"][0]))
    if torch.cuda.is_available() and len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all([_bytes(state) for state in states["cuda"]])


def _text(state: torch.Tensor) -> str:
    return base64.b64encode(state.numpy().tobytes()).decode()


def _bytes(text: str) -> torch.Tensor:
    return torch.frombuffer(bytearray(base64.b64decode(text)), dtype=torch.uint8)


class Part:
    """Checkpoints of one part of a step's work, which hold what the step itself needs, too.

    A step that trains between other things (prune, recover, prune again) gives each training a
    part of its own name; after a kill, it reads its own files from `latest` of the checkpoints
    that it was given, comes back to the same part, and the part finds its state.
    """

    def __init__(self, checkpoints: Checkpoints, name: str, write: Callable[[Path], None]) -> None:
        """Make one.

        Args:
            checkpoints: Of the whole step.
            name: Of the part: a folder within the step's own, so no file of `write` may have it.
                No two parts of a step have the same.
            write: Writes what the step needs to come back to where the part begins: the network as
                it was then (`copied` does that), not as it is in the middle of training.
        """
        self._checkpoints = checkpoints
        self._name = name
        self._write = write

    def latest(self) -> Path | None:
        """See `lathe_steps.base.Checkpoints.latest`."""
        folder = self._checkpoints.latest()
        own = folder / self._name if folder else None
        return own if own and own.is_dir() else None

    def save(self, write: Callable[[Path], None]) -> None:
        """See `lathe_steps.base.Checkpoints.save`."""

        def both(folder: Path) -> None:
            self._write(folder)
            own = folder / self._name
            own.mkdir()
            write(own)

        self._checkpoints.save(both)


def copied(source: Path) -> Callable[[Path], None]:
    """A `write` for checkpoints that copies the files of a folder, which must stay as it is."""

    def write(folder: Path) -> None:
        shutil.copytree(source, folder, dirs_exist_ok=True)

    return write
