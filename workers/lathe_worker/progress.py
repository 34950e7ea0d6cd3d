"""How far a run is: one figure that never goes back, handed to whoever shows it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from lathe_api.v1alpha1.status import Progress

NEARLY = 99
"""Most percent before everything is published: 100 means that the result is there."""


class Reporter(Protocol):
    """Shows progress to somebody."""

    def update(self, progress: Progress) -> None:
        """Take note of where the run is; returns at once and never raises.

        It is called often: what is slow or costs something is limited by the reporter itself.
        """


class NoReporter:
    """Shows nothing."""

    def update(self, progress: Progress) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of the run, and how much of its time it is expected to take."""

    name: str
    weight: float


class Meter:
    """Turns what one stage says into the progress of the whole run.

    A stage that was not begun counts as done when a later one begins. Going back to an earlier
    stage, whose result was lost, does not lower the figure.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        reporter: Reporter,
        span: tuple[int, int] = (0, 100),
    ) -> None:
        """Tell `reporter` of these stages, which go from one end of `span` to the other."""
        self._stages = tuple(stages)
        self._reporter = reporter
        self._span = span
        self._total = sum(stage.weight for stage in stages)
        self._index = 0
        self._percent = 0

    @property
    def stage(self) -> str:
        """Name of the stage that is under way."""
        return self._stages[self._index].name

    def begin(self, name: str, message: str = "") -> None:
        """Say that a stage begins."""
        names = [stage.name for stage in self._stages]
        self._index = names.index(name)
        self.advance(0.0, message)

    def advance(self, share: float, message: str = "") -> None:
        """Say that the stage is done to a share between 0 and 1, and what it is doing."""
        before = sum(stage.weight for stage in self._stages[: self._index])
        done = before + self._stages[self._index].weight * min(max(share, 0.0), 1.0)
        self._report(min(int(100 * done / self._total), NEARLY), message)

    def finish(self, message: str = "") -> None:
        """Say that the result is there."""
        self._index = len(self._stages) - 1
        self._report(100, message)

    def _report(self, percent: int, message: str) -> None:
        first, last = self._span
        self._percent = max(self._percent, first + (last - first) * percent // 100)
        self._reporter.update(
            Progress(
                percent=self._percent,
                step=self.stage,
                step_index=self._index + 1,
                steps=len(self._stages),
                message=message,
            )
        )
