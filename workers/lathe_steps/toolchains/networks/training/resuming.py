"""A network on its way through a step, so that a killed attempt goes on after its last pass."""

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from lathe_steps.base import Artifact, Checkpoints, Format
from lathe_steps.toolchains.networks.models import model
from lathe_steps.toolchains.networks.models.model import Facts, Network
from lathe_steps.toolchains.networks.training import saved
from lathe_steps.toolchains.torch_files import ARCHITECTURE, WEIGHTS

STATE = "state.json"


def begin(artifact: Artifact, checkpoints: Checkpoints) -> tuple[Network, Facts]:
    """The network where the last attempt left it, with what it noted; else as it is given."""
    kept = checkpoints.latest()
    if kept is None:
        return model.load(artifact), {}
    state: Facts = json.loads((kept / STATE).read_text())
    return model.load(Artifact(Format.TORCH, kept, (WEIGHTS, ARCHITECTURE))), state


def keep(checkpoints: Checkpoints, network: Network, state: Facts) -> None:
    """Save a network, and flat notes about it that the next attempt needs."""
    checkpoints.save(_writer(network, state))


def part(checkpoints: Checkpoints, name: str, network: Network, state: Facts) -> saved.Part:
    """Checkpoints of a training of the network, which begins with it as it is now."""
    still = replace(network, module=copy.deepcopy(network.module))
    return saved.Part(checkpoints, name, _writer(still, state))


def _writer(network: Network, state: Facts) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        model.save(network, folder)
        (folder / STATE).write_text(json.dumps(state))

    return write
