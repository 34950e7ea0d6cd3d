"""When the channels of a graph are equalised, and whether it still computes the same."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from lathe_steps.base import Artifact, Format
from lathe_steps.errors import InvalidSpec
from lathe_steps.toolchains.graphs import equalising, files, trying

When = Literal["Auto", "Never", "Always"]
_TOLERANCE = 1e-3
"""Largest difference of the outputs, relative to their largest value, that is rounding."""
_NAMED = 8
"""Pairs that the facts name."""


@dataclass(frozen=True, slots=True)
class Evened:
    """A graph whose channels were equalised, or were not.

    Attributes:
        graph: Its file.
        facts: How many pairs of layers, and which.
    """

    graph: Path
    facts: dict[str, float | int | str] = field(default_factory=dict)


def even(graph: Path, when: When, threads: int, *, learned: bool) -> Evened:
    """Equalise the pairs of layers whose channels differ.

    Args:
        graph: A prepared graph; the result is written beside it.
        when: Auto takes the pairs with a channel that stands out far, Always takes all.
        threads: CPU threads.
        learned: Whether ranges of activations were learned, which would no longer be right.

    Raises:
        InvalidSpec: When all are to be equalised although ranges were learned, or none can be.
        Internal: ConversionMismatch, when the outputs change.
    """
    if when == "Always" and learned:
        raise InvalidSpec(
            "quantize.equalize: Always would make the ranges wrong that were learned in training; "
            "use Auto or Never"
        )
    if when == "Never" or learned:
        return Evened(graph)
    model = files.read(graph)
    pairs = equalising.pairs(model.graph)
    if when == "Always" and not pairs:
        raise InvalidSpec(
            "quantize.equalize: no two layers have only ReLU or pooling between them; use Auto"
        )
    far = {pair: equalising.unevenness(model.graph, pair) for pair in pairs}
    chosen = [pair for pair in pairs if when == "Always" or far[pair] > equalising.UNEVEN]
    if not chosen:
        return Evened(graph)
    equalising.equalise(model.graph, chosen)
    out = graph.parent / "equalised"
    out.mkdir()
    files.write(model, out)
    evened = out / files.MODEL
    _check(graph, evened, threads)
    more = f" and {len(chosen) - _NAMED} more" if len(chosen) > _NAMED else ""
    names = ", ".join(pair.name for pair in chosen[:_NAMED]) + more
    worst = max(far[pair] for pair in chosen)
    return Evened(
        evened,
        {"equalised_pairs": len(chosen), "equalised": names, "largest_unevenness": worst},
    )


def _check(graph: Path, evened: Path, threads: int) -> None:
    before, after = (Artifact(Format.ONNX, file.parent, (file.name,)) for file in (graph, evened))
    trying.compare(
        before,
        after,
        "quantize.equalize (Never leaves it out)",
        tolerance=_TOLERANCE,
        threads=threads,
    )
