"""What the worker says at its end: one JSON document, small enough for a termination message."""

from typing import Annotated, Literal

from pydantic import Field

from lathe_api.v1alpha1.status import (
    ArtifactStatus,
    Failure,
    MetricStatus,
    StepStatus,
    Summary,
    TargetStatus,
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
    cache: Literal["Hit", "Miss"] = "Miss"
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

        Facts of steps go first, then artifacts, metrics and steps from their ends; the failure,
        the gates, the summary and where the manifest is always stay.
        """
        small = self
        for field in ("step facts", "artifacts", "metrics", "steps", "targets"):
            if len(small.dumped().encode()) <= LIMIT:
                break
            small = small.without(field)
        return small.dumped()

    def without(self, field: str) -> "Outcome":
        """The same outcome less one of its lists, or less the facts of its steps."""
        if field == "step facts":
            bare = tuple(step.model_copy(update={"metrics": {}}) for step in self.steps)
            return self.model_copy(update={"steps": bare})
        return self.model_copy(update={field: ()})
