"""A network on its way through a step, so that a killed attempt goes on after its last pass."""

import json
from pathlib import Path

from lathe_steps.base import Artifact, Checkpoints, Format
from lathe_steps.toolchains.networks import model
from lathe_steps.toolchains.networks.model import Facts, Network
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

    def write(folder: Path) -> None:
        model.save(network, folder)
        (folder / STATE).write_text(json.dumps(state))

    checkpoints.save(write)
