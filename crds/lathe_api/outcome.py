"""What the worker says at its end: one JSON document, small enough for a termination message."""

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import Field

from lathe_api.v1alpha1.status import (
    ArtifactStatus,
    Failure,
    MetricStatus,
    StepStatus,
    Summary,
    TargetStatus,
    clip,
)
from lathe_steps.base import Parameters
from lathe_steps.reasons import ExitCode, Reason

LIMIT = 4096
"""Bytes that the kubelet keeps of a termination message."""


class Outcome(Parameters):
    """How a run ended, and what came out."""

    protocol: Literal[1] = 1
    run_key: str | None = None
    """Digest of everything that decides the result; known once the inputs were fetched."""
    exit_code: ExitCode
    gates: Reason = Reason.NOT_EVALUATED
    """AllGatesPassed, NoGates, NotEvaluated, or why a gate failed."""
    gate_message: str = ""
    failure: Failure | None = None
    """Why it did not end well; with every exit code but 0."""
    cache: Literal["Hit", "Miss"] = "Miss"
    cache_source: str | None = None
    """With Hit: whose run made the result, as namespace/name."""
    steps: tuple[StepStatus, ...] = ()
    targets: tuple[TargetStatus, ...] = ()
    artifacts: tuple[ArtifactStatus, ...] = ()
    metrics: tuple[MetricStatus, ...] = ()
    summary: Summary | None = None
    manifest_uri: Annotated[str | None, Field(alias="manifestURI")] = None
    report_uri: Annotated[str | None, Field(alias="reportURI")] = None

    def dumped(self) -> str:
        """The document as compact JSON, without what is not set."""
        return self.model_dump_json(exclude_none=True, exclude_defaults=True)

    def termination_message(self) -> str:
        """The document in at most LIMIT bytes: what is in the manifest too is left out first.

        Facts of steps go first, then artifacts, metrics, steps and targets; long messages are
        cut then. The gates, the summary and where the manifest is stay, unless an address and
        messages of the oddest characters leave no room: then only how it ended does.
        """
        said = self
        for shorten in SHORTENINGS:
            if len(said.dumped().encode()) <= LIMIT:
                break
            said = shorten(said)
        return said.dumped()


def _without_facts(outcome: Outcome) -> Outcome:
    bare = tuple(step.model_copy(update={"metrics": {}}) for step in outcome.steps)
    return outcome.model_copy(update={"steps": bare})


def _without(field: str) -> Callable[[Outcome], Outcome]:
    return lambda outcome: outcome.model_copy(update={field: ()})


def _in_brief(outcome: Outcome) -> Outcome:
    failure = outcome.failure and outcome.failure.model_copy(
        update={"message": clip(outcome.failure.message, 300)}
    )
    return outcome.model_copy(
        update={"failure": failure, "gate_message": clip(outcome.gate_message, 300)}
    )


def _bare(outcome: Outcome) -> Outcome:
    failure = outcome.failure and Failure(
        reason=outcome.failure.reason,
        exit_code=outcome.failure.exit_code,
        message=clip(outcome.failure.message, 100),
    )
    return Outcome(
        run_key=outcome.run_key,
        exit_code=outcome.exit_code,
        gates=outcome.gates,
        gate_message=clip(outcome.gate_message, 100),
        failure=failure,
    )


SHORTENINGS: tuple[Callable[[Outcome], Outcome], ...] = (
    _without_facts,
    _without("artifacts"),
    _without("metrics"),
    _without("steps"),
    _without("targets"),
    _in_brief,
    _bare,
)
"""What is given up for brevity, least missed first."""
