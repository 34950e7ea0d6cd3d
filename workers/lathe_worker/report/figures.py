"""The sections that are drawn from what steps found out, each step's under its name."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from lathe_steps.evidence import Candidates, Curve, Sensitivity
from lathe_worker.manifest import ManifestStep
from lathe_worker.report import candidates, curves, sensitivity
from lathe_worker.report.document import Report
from lathe_worker.report.html import Markup, element

MOST = 48
"""Figures of one section; the rest is in report.json."""

Kind = TypeVar("Kind", Curve, Sensitivity, Candidates)


@dataclass(frozen=True, slots=True)
class _Section(Generic[Kind]):
    """All figures of one kind.

    Attributes:
        title: Above all of them.
        kind: What they are drawn from.
        draw: Draws one, with at most so many points, layers or candidates.
        room: How many of those the section has room for, so that a browser opens the page at once.
    """

    title: str
    kind: type[Kind]
    draw: Callable[[Kind, int], Markup]
    room: int

    def drawn(self, report: Report) -> Iterator[Markup]:
        """The section; nothing where no step found anything of the kind."""
        found = [(step, each) for step in report.steps for each in self._of(step)]
        if not found:
            return
        shown = found[:MOST]
        most = self.room // len(shown)
        steps = {step.name: step for step, _ in shown}
        figures = {
            name: [self.draw(each, most) for of, each in shown if of.name == name] for name in steps
        }
        yield element(
            "section",
            element("h2", self.title),
            *(_of_step(step, figures[name]) for name, step in steps.items()),
            _more(len(found) - len(shown)),
        )

    def _of(self, step: ManifestStep) -> list[Kind]:
        return [each for each in step.evidence if isinstance(each, self.kind)]


CURVES = _Section("Curves", Curve, curves.panel, room=12_000)
LAYERS = _Section("Sensitivity by layer", Sensitivity, sensitivity.figure, room=1_500)
TRIED = _Section("Candidates", Candidates, candidates.figure, room=900)


def sections(report: Report) -> Iterator[Markup]:
    """Curves, sensitivity by layer and candidates: those of which there is anything to show."""
    yield from CURVES.drawn(report)
    yield from LAYERS.drawn(report)
    yield from TRIED.drawn(report)


def _of_step(step: ManifestStep, figures: list[Markup]) -> Markup:
    kind = None if step.name.lower() == step.kind.lower() else element("small", step.kind)
    return element(
        "div",
        element("h3", step.name.replace("/", " / "), kind),
        element("div", *figures, class_="panels"),
        class_="findings",
    )


def _more(count: int) -> Markup | None:
    if count <= 0:
        return None
    return element("p", f"{count} more of these are in report.json.", class_="about")
