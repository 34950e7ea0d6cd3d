"""The table that `kubectl lathe list` shows: every resource, and why it is where it is."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from lathe_kubectl import figures
from lathe_kubectl.documents import Document, condition, word
from lathe_kubectl.text import Style, Word

TITLES = ("NAME", "PHASE", "REASON", "PROGRESS", "SIZE", "SPEEDUP", "QUALITY", "AGE", "MESSAGE")
MESSAGE = 60
"""Characters of a message that a row shows."""


def chosen(resources: Iterable[Document], phase: str) -> tuple[Document, ...]:
    """Those in a phase, or all of them; by namespace and name."""
    found = (each for each in resources if phase in ("", phase_of(each)))
    return tuple(sorted(found, key=lambda each: (_at(each, "namespace"), _at(each, "name"))))


def phase_of(resource: Document) -> str:
    """Its phase; one without a status is Pending."""
    return word(resource, "status", "phase") or "Pending"


def rows(
    resources: Iterable[Document], now: datetime, *, everywhere: bool
) -> Iterator[tuple[str | Word, ...]]:
    """Titles, and a row for each resource."""
    titles = ("NAMESPACE", *TITLES) if everywhere else TITLES
    yield tuple((title, Style.DIM) for title in titles)
    for resource in resources:
        cells = _cells(resource, now)
        yield (_at(resource, "namespace"), *cells) if everywhere else cells


def _cells(resource: Document, now: datetime) -> tuple[str | Word, ...]:
    ready, phase = condition(resource, "Ready"), phase_of(resource)
    age, _ = figures.ago(now, _at(resource, "creationTimestamp"))
    message = word(ready, "message")
    return (
        (_at(resource, "name"), Style.BOLD),
        figures.state(phase),
        reason if (reason := word(ready, "reason")) != phase else "",
        _progress(resource, phase),
        *(word(resource, "status", "summary", key) for key in ("size", "speedup", "quality")),
        age.removesuffix(" ago"),
        message if len(message) <= MESSAGE else f"{message[: MESSAGE - 1]}…",
    )


def _progress(resource: Document, phase: str) -> str:
    percent, step = (word(resource, "status", "progress", key) for key in ("percent", "step"))
    return f"{percent}% {step}".strip() if percent and phase == "Running" else ""


def _at(resource: Document, key: str) -> str:
    return word(resource, "metadata", key)
