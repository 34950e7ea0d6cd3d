"""Figures and states as people read them, from JSON of any version."""

from datetime import datetime

from lathe_api.v1alpha1.status import Phase
from lathe_kubectl.documents import Document, dig, word
from lathe_kubectl.text import MARKS, Style, Word
from lathe_operator.decide.times import duration, parsed
from lathe_worker.report import metrics, words

LOOKS = {
    Phase.SUCCEEDED: Style.GOOD,
    Phase.FAILED: Style.BAD,
    Phase.CANCELLED: Style.DIM,
    Phase.RUNNING: Style.BUSY,
    Phase.PENDING: Style.BUSY,
    Phase.QUEUED: Style.BUSY,
    Phase.SUSPENDED: Style.DIM,
}
"""How a phase or a state looks; others are plain."""


def state(text: str) -> Word:
    """A phase or a state in its colour."""
    return text, {str(phase): style for phase, style in LOOKS.items()}.get(text, Style.PLAIN)


def mark(text: str) -> Word:
    """The sign for a state."""
    _, style = state(text)
    return MARKS.get(style, "·"), style


def ago(now: datetime, since: datetime | str) -> Word:
    """How long ago, such as 12m ago; nothing where nobody knows."""
    then = parsed(since) if isinstance(since, str) and since else since
    said = f"{duration(now - then)} ago" if isinstance(then, datetime) else ""
    return said, Style.DIM


def between(start: str, end: str) -> str:
    """How long it took, such as 12m; nothing where it has not ended."""
    return duration(parsed(end) - parsed(start)) if start and end else ""


def seconds(step: Document) -> str:
    """How long a step took, or that it was there already."""
    if word(step, "cache") == "Hit":
        return "from the cache"
    return words.duration(_number(step, "seconds"))


def metric(told: Document) -> str:
    """A metric before and after, such as Top1 93.4% → 92.9% (-0.5pp)."""
    return f"{word(told, 'name')} {change(told)}"


def change(told: Document) -> str:
    """The same without its name."""
    name = word(told, "name")
    before, after = (metrics.value_of(name, _number(told, key)) for key in ("input", "output"))
    return f"{before} → {after}{_effect(told)}"


def size(artifact: Document) -> str:
    """The size of an artifact."""
    return words.size(_number(artifact, "bytes"))


def _effect(told: Document) -> str:
    ratio, delta = dig(told, "ratio"), dig(told, "delta")
    if isinstance(delta, int | float):
        return f" ({metrics.change_of(word(told, 'name'), delta)})"
    if isinstance(ratio, int | float):
        return f" ({100 * (ratio - 1):+.0f}%)"
    return ""


def _number(document: Document, key: str) -> float:
    found = dig(document, key)
    return float(found) if isinstance(found, int | float) else 0.0
