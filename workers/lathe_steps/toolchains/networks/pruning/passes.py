"""Pruning in passes: remove, recover, judge, keep; a pass that costs too much is undone."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from lathe_steps.base import Artifact, Context, Dataset
from lathe_steps.evidence import MOST_LAYERS, Candidate, Candidates, Evidence
from lathe_steps.toolchains.judging import Judge
from lathe_steps.toolchains.networks import answering, calls, census
from lathe_steps.toolchains.networks.models import model, unused
from lathe_steps.toolchains.networks.models.model import Facts, Network
from lathe_steps.toolchains.networks.pruning import latency_target, passes_kept
from lathe_steps.toolchains.networks.pruning.passes_kept import Kept, State
from lathe_steps.toolchains.networks.pruning.wishes import Measure, cost
from lathe_steps.toolchains.networks.training import recovering, saved
from lathe_steps.toolchains.networks.training.course import Trail
from lathe_steps.toolchains.training import Recovery

Remove = Callable[[Network, float, int], None]
"""Removes units of a network, in place, until a share of its cost is left; with a seed."""
_BYTES = 4
_STEP = "prune"


@dataclass(frozen=True, slots=True)
class Limit:
    """By how much quality may fall.

    Attributes:
        dataset: What it is measured on.
        samples: On how many samples.
        most: Largest drop against the model before the first pass.
    """

    dataset: Dataset
    samples: int
    most: float


@dataclass(frozen=True, slots=True)
class Plan:
    """How far to go, and how.

    Attributes:
        measure: What the share is a share of.
        share: To be left after the last pass; of the latency when `latency`.
        latency: Whether the share is one of latency.
        passes: How many; each keeps the same share of what the one before left.
        recovery: How to train after each pass.
        limit: By how much quality may fall.
    """

    measure: Measure
    share: float
    latency: bool
    passes: int
    recovery: Recovery | None
    limit: Limit | None


class Pruned(NamedTuple):
    """What came out."""

    network: Network
    facts: Facts
    evidence: tuple[Evidence, ...]


def run(artifact: Artifact, plan: Plan, remove: Remove, context: Context) -> Pruned:
    """Prune the model of an artifact, or go on where an attempt was killed.

    What only training uses (auxiliary heads) is removed first, and counts as nothing.

    Raises:
        InvalidSpec: When the target cannot be reached, or as `remove` does.
        BadInput: When samples do not fit the model.
        Internal: As `remove` and training do.
    """
    return _Passes(artifact, plan, remove, context).run()


class _Passes:
    """One pruning, pass by pass."""

    def __init__(self, artifact: Artifact, plan: Plan, remove: Remove, context: Context) -> None:
        self._plan = plan
        self._remove = remove
        self._context = context
        self._whole = model.load(artifact)
        sizes = calls.workable_sizes(self._whole.module, self._whole.inputs)
        self._inputs = calls.random_inputs(self._whole.inputs, sizes)
        unused.drop(self._whole.module, self._inputs)
        self._judge: Judge | None = None
        if plan.limit is not None:
            limit = plan.limit
            self._judge = answering.judge(self._whole, limit.dataset, limit.samples)

    def run(self) -> Pruned:
        """All passes that are not done yet."""
        folder = self._context.checkpoints.latest()
        if folder is None:
            now = Kept(self._copy(self._whole), self._first())
        else:
            now = passes_kept.read(folder)
        while now.state.done < self._plan.passes and not now.state.stopped:
            now = self._pass(now)
            self._keep(now)
        return self._told(now)

    def _copy(self, network: Network) -> Network:
        return replace(network, module=copy.deepcopy(network.module))

    def _first(self) -> State:
        """Before the first pass: what the model costs, and how far to go."""
        before = census.figures(self._whole.module, self._inputs)
        if not self._plan.latency:
            return State(before, self._plan.share)
        share, search = latency_target.search(
            self._whole,
            self._plan.share,
            lambda network, share: self._remove(network, share, self._context.seed),
            threads=self._context.threads,
            progress=lambda done, said: self._context.progress(
                done / (self._plan.passes + 1), said
            ),
        )
        state = State(before, share, search=search)
        self._keep(Kept(self._whole, state))
        return state

    def _pass(self, now: Kept) -> Kept:
        """One pass: the model after it, or before it when it cost too much."""
        if not now.state.removed:
            share = self._share(now)
            if share >= 1:  # an earlier pass, which removes in coarse units, went far enough
                return replace(now, state=replace(now.state, done=now.state.done + 1))
            self._progress(now.state, 0.0, "removing")
            undo = self._copy(now.network) if self._plan.limit is not None else None
            self._remove(now.network, share, self._context.seed + now.state.done)
            now = Kept(now.network, replace(now.state, removed=True), undo)
        self._recover(now)
        return self._judged(now)

    def _share(self, now: Kept) -> float:
        """Of what the model costs now, what is to be left after this pass."""
        plan, state = self._plan, now.state
        wanted: float = cost(state.before, plan.measure) * state.share ** (
            (state.done + 1) / plan.passes
        )
        return wanted / cost(census.figures(now.network.module, self._inputs), plan.measure)

    def _recover(self, now: Kept) -> None:
        """Train, with checkpoints that hold the model as it is before the training."""
        if self._plan.recovery is None:
            return
        with TemporaryDirectory() as folder:
            passes_kept.write(now, Path(folder))
            part = saved.Part(
                self._context.checkpoints,
                f"recovery-{now.state.done}",
                saved.copied(Path(folder)),
            )
            recovering.recover(
                now.network,
                self._plan.recovery,
                replace(self._context, seed=self._context.seed + now.state.done),
                step=_STEP,
                progress=lambda share, said: self._progress(now.state, share, said),
                trail=Trail(part),
            )

    def _judged(self, now: Kept) -> Kept:
        done = now.state.done + 1
        state = replace(now.state, removed=False)
        if self._judge is None or self._plan.limit is None or now.undo is None:
            return Kept(now.network, replace(state, done=done))
        quality = self._judge.quality(answering.answers(now.network, self._plan.limit.dataset))
        tried = Candidate(f"pass {done}", _BYTES * now.network.parameters, quality)
        state = replace(state, tried=(*state.tried, tried))
        if self._judge.reference - quality > self._plan.limit.most:
            return Kept(now.undo, replace(state, stopped=True))
        return Kept(now.network, replace(state, done=done))

    def _keep(self, now: Kept) -> None:
        self._context.checkpoints.save(lambda folder: passes_kept.write(now, folder))

    def _progress(self, state: State, share: float, said: str) -> None:
        passes = self._plan.passes
        self._context.progress(
            (state.done + share) / passes, f"pass {state.done + 1}/{passes}: {said}"
        )

    def _told(self, now: Kept) -> Pruned:
        network, state = now.network, now.state
        plan, figures = self._plan, census.figures(network.module, self._inputs)
        facts: dict[str, float | int | str] = {**census.facts(state.before, figures)}
        facts |= {"passes": state.done, "passes_wanted": plan.passes}
        evidence: list[Evidence] = [state.search] if state.search is not None else []
        if self._judge is not None:
            kept = state.tried[: len(state.tried) - state.stopped]
            facts["quality_before"] = self._judge.reference
            facts["quality"] = kept[-1].quality if kept else self._judge.reference
            evidence.append(self._candidates(self._judge, state))
        if plan.latency:
            facts |= self._latency(network)
        return Pruned(network, facts, tuple(evidence))

    def _candidates(self, judge: Judge, state: State) -> Candidates:
        whole = Candidate("unpruned", _BYTES * state.before.params, judge.reference)
        considered = (whole, *state.tried)
        chosen = len(considered) - 1 - state.stopped
        return Candidates(judge.metric, judge.samples, considered[:MOST_LAYERS], chosen)

    def _latency(self, network: Network) -> Facts:
        """What became of latency after all passes."""
        with TemporaryDirectory() as folder:
            stopwatch = latency_target.Stopwatch(self._whole, Path(folder), self._context.threads)
            before, after, _ = stopwatch.milliseconds(network)
        return {"latency_ms_before": before, "latency_ms": after, "latency_share": after / before}
