"""What of a run is measured: its results, the way to them, and what it can go back to."""

from dataclasses import dataclass

from lathe_api.v1alpha1.evaluation import Evaluation
from lathe_steps.base import Artifact
from lathe_worker.bench import Bench, Measure, Progress
from lathe_worker.chain import Chain, Stop
from lathe_worker.gates import decidable
from lathe_worker.measured import Candidate, Measured, Passed
from lathe_worker.rollback import Result, settle
from lathe_worker.steps import Steps


@dataclass(frozen=True, slots=True)
class Measuring:
    """A run whose steps are done.

    Attributes:
        evaluation: What is asked for.
        chain: The run's steps.
        steps: What they made.
        bench: Measures it.
        threads: CPU threads of the run.
        progress: Told how far a measurement is.
        path: What is measured on the way; None: everything that the chain says.
        partly: Whether other results of the run are measured elsewhere: then gates on what was not
            measured here are not decided here.
    """

    evaluation: Evaluation
    chain: Chain
    steps: Steps
    bench: Bench
    threads: int
    progress: Progress
    path: tuple[Stop, ...] | None = None
    partly: bool = False

    def settled(self) -> Result:
        """Measure the results, judge them, and go back where that is asked for."""
        ends = self.chain.ends
        ways = {
            end.target: tuple(filter(self.steps.made, self.chain.way_back(end))) for end in ends
        }
        measured = self.results()
        asked = decidable(self.evaluation, measured) if self.partly else self.evaluation
        return settle(asked, measured, ways, self.at)

    def results(self) -> Measured:
        """What came out for each target, and the way to it."""
        candidates = tuple(
            Candidate(
                target=end.target,
                executable=self.steps.artifact(end.graph),
                final=self.steps.artifact(end.final),
                executed=end.executed,
            )
            for end in self.chain.ends
        )
        path = self.chain.path if self.path is None else self.path
        return self._measured(candidates, tuple(filter(None, map(self.steps.passed, path))))

    def at(self, target: str, stop: Stop) -> Measured:
        """What a step had made, as if it were a target's result."""
        executed = {end.target: end.executed for end in self.chain.ends}[target]
        graph = self.steps.artifact(stop.graph)
        return self._measured((Candidate(target, graph, graph, executed),), ())

    def _measured(self, candidates: tuple[Candidate, ...], path: tuple[Passed, ...]) -> Measured:
        request = Measure(
            evaluation=self.evaluation,
            source=self.steps.artifact(None),
            baseline=self.steps.artifact(self.chain.baseline),
            candidates=candidates,
            path=path,
            threads=self.threads,
        )
        return self.bench.measure(request, self.progress)


def published(chain: Chain, steps: Steps, result: Result) -> dict[str, Artifact]:
    """What is published, by target."""
    graphs = {target: stop.graph for target, stop in result.stops.items()}
    return {end.target: steps.artifact(graphs.get(end.target, end.final)) for end in chain.ends}
