"""How far a pruning is, in the files of a checkpoint."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from lathe_steps.base import Artifact, Format
from lathe_steps.evidence import Candidate, Candidates
from lathe_steps.toolchains.networks import model
from lathe_steps.toolchains.networks.census import Figures
from lathe_steps.toolchains.networks.model import Network
from lathe_steps.toolchains.torch_files import ARCHITECTURE, WEIGHTS

_STATE = "passes.json"
_NETWORK = "network"


@dataclass(frozen=True, slots=True)
class State:
    """How far it is.

    Attributes:
        before: What the model cost before the first pass.
        share: Of the measure, to be left after the last pass.
        done: Passes that are finished.
        stopped: Whether the last pass that was tried cost too much, and was undone.
        tried: The model after each pass, judged.
        search: The candidates of a search for the share.
    """

    before: Figures
    share: float
    done: int = 0
    stopped: bool = False
    tried: tuple[Candidate, ...] = ()
    search: Candidates | None = None


def write(network: Network, state: State, folder: Path) -> None:
    """Write both into an empty folder."""
    (folder / _NETWORK).mkdir()
    model.save(network, folder / _NETWORK)
    document = {**asdict(state), "before": state.before._asdict()}
    (folder / _STATE).write_text(json.dumps(document))


def read(folder: Path) -> tuple[Network, State]:
    """Both, as they were written."""
    document = json.loads((folder / _STATE).read_text())
    search = document["search"]
    if search is not None:
        considered = tuple(Candidate(**one) for one in search["considered"])
        search = Candidates(**{**search, "considered": considered})
    state = State(
        before=Figures(**document["before"]),
        share=document["share"],
        done=document["done"],
        stopped=document["stopped"],
        tried=tuple(Candidate(**one) for one in document["tried"]),
        search=search,
    )
    artifact = Artifact(Format.TORCH, folder / _NETWORK, (WEIGHTS, ARCHITECTURE))
    return model.load(artifact), state
