"""Whether what was measured is good enough; see docs/design/0002-gates.md."""

from collections.abc import Collection, Iterator, Sequence

from lathe_api.v1alpha1.evaluation import Evaluation, Gate, Metric
from lathe_api.v1alpha1.status import Word, clip
from lathe_steps.base import Parameters
from lathe_steps.reasons import Reason
from lathe_worker.bounds import decide
from lathe_worker.measured import Measured


class GateResult(Parameters):
    """One gate on one target."""

    gate: Gate
    target: Word | None = None
    """The target; None when the metric was measured on none."""
    failure: Reason | None = None
    """Why it failed; None when it passed."""
    message: str
    """What was found, and what is allowed, in one line."""

    @property
    def passed(self) -> bool:
        """Whether it passed."""
        return self.failure is None


class Verdict(Parameters):
    """All gates on all targets."""

    passed: bool
    """Whether the result may be published as good."""
    reason: Reason
    """AllGatesPassed, NoGates, NotEvaluated, or why the first gate failed."""
    message: str
    """The same for people."""
    results: tuple[GateResult, ...] = ()
    """Each gate on each of its targets, in the order of the evaluation."""


def judge(evaluation: Evaluation | None, measured: Measured | None) -> Verdict:
    """Compare what was measured with what is asked for.

    A gate without a target is about every target on which its metric was measured; one that was
    measured nowhere fails as NotEvaluated. How one bound is decided says `lathe_worker.bounds`.
    """
    return judge_all(evaluation, () if measured is None else (measured,))


def judge_all(evaluation: Evaluation | None, measured: Sequence[Measured]) -> Verdict:
    """The same for what was measured on several machines, each some of the targets."""
    if evaluation is None or not measured:
        return Verdict(passed=True, reason=Reason.NOT_EVALUATED, message="nothing was evaluated")
    if not evaluation.gates:
        return Verdict(passed=True, reason=Reason.NO_GATES, message="no gates were asked for")
    results = tuple(result for gate in evaluation.gates for result in _results(gate, measured))
    failed = [result for result in results if not result.passed]
    if not failed:
        count = "1 gate" if len(results) == 1 else f"{len(results)} gates"
        said = f"{count} passed on {measured[0].samples} samples of {measured[0].dataset}"
        return Verdict(passed=True, reason=Reason.ALL_GATES_PASSED, message=said, results=results)
    said = "; ".join(result.message for result in failed)
    if evaluation.on_failure == "Warn":
        said = f"published all the same (onFailure: Warn): {said}"
    reason = failed[0].failure or Reason.GATE_FAILED
    return Verdict(passed=False, reason=reason, message=clip(said), results=results)


def about(evaluation: Evaluation, targets: Collection[str]) -> Evaluation:
    """The evaluation without gates that are about other targets than these."""
    gates = tuple(gate for gate in evaluation.gates if gate.target in {None, *targets})
    return evaluation.model_copy(update={"gates": gates})


def decidable(evaluation: Evaluation, measured: Measured) -> Evaluation:
    """The evaluation with those gates that are about something that was measured."""
    gates = tuple(
        gate
        for gate in evaluation.gates
        if any(
            metric.name is gate.metric and gate.target in {None, metric.target}
            for metric in measured.metrics
        )
    )
    return evaluation.model_copy(update={"gates": gates})


def _results(gate: Gate, measured: Sequence[Measured]) -> Iterator[GateResult]:
    found = [
        (metric, each.timing)
        for each in measured
        for metric in each.metrics
        if metric.name is gate.metric and gate.target in {None, metric.target}
    ]
    if not found:
        where = gate.target or "any target"
        yield GateResult(
            gate=gate,
            target=gate.target,
            failure=Reason.NOT_EVALUATED,
            message=f"{gate.metric} could not be measured on {where}: {_why(gate.metric)}",
        )
    for metric, timing in found:
        failure, message = decide(gate, metric, timing)
        yield GateResult(gate=gate, target=metric.target, failure=failure, message=message)


def _why(metric: Metric) -> str:
    if metric is Metric.MACS:
        return "the graph has operators whose multiplications cannot be counted"
    return "what is published is not run here"
