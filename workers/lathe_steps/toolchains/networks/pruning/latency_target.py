"""Which share of the weights to keep so that a share of the latency is left: tried and timed."""

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from lathe_steps.base import Artifact
from lathe_steps.errors import InvalidSpec
from lathe_steps.evidence import Candidate, Candidates
from lathe_steps.toolchains import trials
from lathe_steps.toolchains.networks import calls
from lathe_steps.toolchains.networks.models import exporting
from lathe_steps.toolchains.networks.models.model import Network
from lathe_steps.toolchains.timing import interleaved_latencies

Remove = Callable[[Network, float], None]
"""Removes units of a network, in place, until a share of its weights is left."""

_TRIES = 6
_NEAR = 0.95
"""Share of the target from which on a candidate is near enough."""
_SECONDS = 1.0
_LEAST = 40
_OPSET = 18


class Stopwatch:
    """Times networks as ONNX against one network, in turns, for one sample.

    Args:
        whole: The network that others are compared with.
        folder: Where its file may lie as long as the stopwatch is used.
        threads: CPU threads.
    """

    def __init__(self, whole: Network, folder: Path, threads: int) -> None:
        sizes = calls.workable_sizes(whole.module, whole.inputs)
        alone = calls.single(whole.inputs, sizes)
        self._sample = trials.random_arrays(whole.inputs, alone)
        self._folder = folder
        self._threads = threads
        self._whole = self._exported(whole)

    def milliseconds(self, network: Network) -> tuple[float, float, int]:
        """Median latency of the whole network and of another, and the size of the other's file."""
        artifact = self._exported(network)
        taken = interleaved_latencies(
            {"whole": self._whole, "other": artifact},
            self._sample,
            threads=self._threads,
            seconds=_SECONDS,
            least=_LEAST,
        )
        return median(taken["whole"]), median(taken["other"]), artifact.size

    def _exported(self, network: Network) -> Artifact:
        out = self._folder / str(len(list(self._folder.iterdir())))
        out.mkdir()
        return exporting.export(network, out, opset=_OPSET)


def search(
    network: Network,
    target: float,
    remove: Remove,
    *,
    threads: int,
    progress: Callable[[float, str], None],
) -> tuple[float, Candidates]:
    """Find the largest share of the weights with which the latency is at most the target.

    The share is halved in on, in few tries; the network stays as it is.

    Args:
        network: The model.
        target: Share of its latency.
        remove: How units are removed.
        threads: CPU threads.
        progress: Called with the share done and a short message.

    Returns:
        The share of the weights, and everything that was tried.

    Raises:
        InvalidSpec: When no share that was tried is fast enough.
        Internal: UnsupportedModel, when the model cannot be exported or pruned.
    """
    low, high, share = 0.0, 1.0, target
    tried: list[Candidate] = []
    best: tuple[float, int] | None = None
    fastest = 1.0
    with TemporaryDirectory() as folder:
        stopwatch = Stopwatch(network, Path(folder), threads)
        for done in range(_TRIES):
            progress(done / _TRIES, f"latency: trying {share:.3f} of the weights")
            candidate = replace(network, module=copy.deepcopy(network.module))
            try:
                remove(candidate, share)
            except InvalidSpec:  # so little cannot be left
                low, share = share, (share + high) / 2
                continue
            before, after, size = stopwatch.milliseconds(candidate)
            tried.append(Candidate(f"{share:.3f} of the weights", size, share, after))
            fastest = min(fastest, after / before)
            if after <= target * before:
                low, best = share, (share, len(tried) - 1)
                if after >= _NEAR * target * before:
                    break
            else:
                high = share
            share = (low + high) / 2
    if best is None:
        raise InvalidSpec(
            f"prune.target.latency: the fastest of {len(tried)} candidates took {fastest:.3f} of "
            f"the latency, so {target:.3f} was not reached; raise it, lower roundTo or ignore "
            "fewer layers"
        )
    return best[0], Candidates("share of the weights", 1, tuple(tried), best[1])
