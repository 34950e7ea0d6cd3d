"""Looking for the nodes that must stay in floating point for a model to stay as good."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain

from lathe_steps.base import Artifact, Dataset
from lathe_steps.evidence import MOST_LAYERS, Candidate, Candidates
from lathe_steps.toolchains.graphs.answering import answer_of
from lathe_steps.toolchains.judging import Answer, Judge
from lathe_steps.toolchains.onnx_runtime import Session

Progress = Callable[[float, str], None]
_NAMED = 3
"""Layers that a candidate's name tells; of the others it tells how many there are."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What a quantised model must still be able to do; the fields are those of the step."""

    dataset: Dataset
    samples: int
    max_drop: float
    search: bool
    evaluations: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Group:
    """Nodes that leave 8 bits together.

    Attributes:
        label: What people call it.
        nodes: Their names.
    """

    label: str
    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trial:
    """A candidate that was judged.

    Attributes:
        groups: How many of the groups, the most sensitive first, it keeps in floating point.
        kept: Names of the nodes in them.
        artifact: The candidate.
        quality: The judge's metric.
    """

    groups: int
    kept: tuple[str, ...]
    artifact: Artifact
    quality: float


@dataclass(frozen=True, slots=True)
class Found:
    """What a search came to.

    Attributes:
        best: The fewest groups in floating point that meet the goal, or else the best quality.
        met: Whether it meets the goal.
        evidence: Everything that was tried.
        facts: In numbers.
    """

    best: Trial
    met: bool
    evidence: Candidates
    facts: dict[str, float | int | str]


@dataclass(slots=True)
class Search:
    """One search: candidates are made, judged, and the best so far is remembered.

    Attributes:
        goal: What to reach.
        reference: The model in floating point.
        make: Quantises all nodes but those named.
        rank: Groups by their effect, the largest first; called only when they are needed.
        threads: CPU threads.
        progress: Called with the share of the evaluations done.
    """

    goal: Goal
    reference: Answer
    make: Callable[[tuple[str, ...]], Artifact]
    rank: Callable[[], Sequence[Group]]
    threads: int
    progress: Progress
    _trials: list[Trial] = field(default_factory=list)

    def run(self) -> Found:
        """Judge the plain result, and look for what to leave alone where it is not good enough.

        The number of groups is doubled until the goal is met, and then halved towards the fewest
        that will do.
        """
        begin = time.monotonic()
        judge = Judge(self.goal.dataset, self.goal.samples, self.reference)
        wanted = judge.reference - self.goal.max_drop
        self._try(0, (), judge)
        if self._trials[0].quality < wanted and self.goal.search and self.goal.evaluations > 1:
            groups = self.rank()
            fails, count, passes = 0, 1, len(groups) + 1
            while fails < count < passes and self._may_go_on(begin):
                kept = tuple(dict.fromkeys(chain.from_iterable(g.nodes for g in groups[:count])))
                good = self._try(count, kept, judge) >= wanted
                fails, passes = (fails, count) if good else (count, passes)
                open_ended = passes > len(groups)
                count = min(2 * count, len(groups)) if open_ended else (fails + passes) // 2
        return self._found(judge, wanted)

    def _try(self, count: int, kept: tuple[str, ...], judge: Judge) -> float:
        done = len(self._trials) / self.goal.evaluations
        self.progress(done, f"judging {len(self._trials) + 1}/{self.goal.evaluations}")
        artifact = self.make(kept)
        quality = judge.quality(answer_of(Session(artifact, self.threads)))
        self._trials.append(Trial(count, kept, artifact, quality))
        return quality

    def _may_go_on(self, begin: float) -> bool:
        in_time = time.monotonic() - begin < self.goal.seconds
        return in_time and len(self._trials) < self.goal.evaluations

    def _found(self, judge: Judge, wanted: float) -> Found:
        good = [trial for trial in self._trials if trial.quality >= wanted]
        best = min(good, key=lambda it: it.groups) if good else max(self._trials, key=_better)
        considered = tuple(
            Candidate(_name(trial), trial.artifact.size, trial.quality) for trial in self._trials
        )[:MOST_LAYERS]
        chosen = min(self._trials.index(best), len(considered) - 1)
        evidence = Candidates(judge.metric, judge.samples, considered, chosen)
        facts: dict[str, float | int | str] = {
            "accuracy_metric": judge.metric,
            "accuracy_samples": judge.samples,
            "accuracy_before": judge.reference,
            "accuracy_after": best.quality,
            "accuracy_goal": "met" if good else "missed: this is the best of what was tried",
            "evaluations": len(self._trials),
        }
        return Found(best, bool(good), evidence, facts)


def _better(trial: Trial) -> tuple[float, int]:
    return trial.quality, -trial.groups


def _name(trial: Trial) -> str:
    if not trial.kept:
        return "everything in few bits"
    more = f" and {len(trial.kept) - _NAMED} more" if len(trial.kept) > _NAMED else ""
    return f"{', '.join(trial.kept[:_NAMED])}{more} in floating point"
