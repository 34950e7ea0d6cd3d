"""How far a pruning is, in the files of a checkpoint."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lathe_steps.base import Artifact, Format
from lathe_steps.evidence import Candidate, Candidates
from lathe_steps.toolchains.networks.census import Figures
from lathe_steps.toolchains.networks.models import model
from lathe_steps.toolchains.networks.models.model import Network
from lathe_steps.toolchains.torch_files import ARCHITECTURE, WEIGHTS

_STATE = "passes.json"
_NETWORK = "network"
_UNDO = "undo"


@dataclass(frozen=True, slots=True)
class State:
    """How far it is.

    Attributes:
        before: What the model cost before the first pass.
        share: Of the measure, to be left after the last pass.
        done: Passes that are finished.
        removed: Whether the next pass has removed its units, and is to recover.
        stopped: Whether the last pass that was tried cost too much, and was undone.
        tried: The model after each pass, judged.
        search: The candidates of a search for the share.
    """

    before: Figures
    share: float
    done: int = 0
    removed: bool = False
    stopped: bool = False
    tried: tuple[Candidate, ...] = ()
    search: Candidates | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """Everything that is needed to go on.

    Attributes:
        network: The model as it is.
        state: How far it is.
        undo: The model before the pass that has removed its units, where it may be undone.
    """

    network: Network
    state: State
    undo: Network | None = None


def write(kept: Kept, folder: Path) -> None:
    """Write it into an empty folder."""
    for name, network in ((_NETWORK, kept.network), (_UNDO, kept.undo)):
        if network is not None:
            (folder / name).mkdir()
            model.save(network, folder / name)
    document = {**asdict(kept.state), "before": kept.state.before._asdict()}
    (folder / _STATE).write_text(json.dumps(document))


def read(folder: Path) -> Kept:
    """What was written."""
    undo = _network(folder / _UNDO) if (folder / _UNDO).is_dir() else None
    document = json.loads((folder / _STATE).read_text())
    return Kept(_network(folder / _NETWORK), _state(document), undo)


def _network(folder: Path) -> Network:
    return model.load(Artifact(Format.TORCH, folder, (WEIGHTS, ARCHITECTURE)))


def _state(document: dict[str, Any]) -> State:
    search = document["search"]
    if search is not None:
        considered = tuple(Candidate(**one) for one in search["considered"])
        search = Candidates(**{**search, "considered": considered})
    tried = tuple(Candidate(**one) for one in document["tried"])
    before = Figures(**document["before"])
    return State(**{**document, "before": before, "tried": tried, "search": search})
