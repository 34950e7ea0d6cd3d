"""The manifest: what a run got, did and published. It is written last; where it is, all is."""

import json
from typing import Annotated, Literal

from pydantic import Field

from lathe_api.outcome import Outcome
from lathe_api.plan import Plan
from lathe_api.v1alpha1.spec import Digest
from lathe_api.v1alpha1.status import (
    ArtifactStatus,
    Failure,
    MetricStatus,
    StepStatus,
    Summary,
    TargetStatus,
)
from lathe_steps.base import Parameters
from lathe_steps.evidence import Evidence
from lathe_steps.reasons import ExitCode, Reason
from lathe_worker.environment import Environment
from lathe_worker.gates import Verdict
from lathe_worker.kept import FileRecord
from lathe_worker.records import Facts
from lathe_worker.stages import EVALUATE

NAME = "manifest.json"
LIMIT = 16 * 1024 * 1024
"""Most bytes of a manifest."""


class InputRecord(Parameters):
    """A model or a data set, as it was fetched."""

    name: str
    """Of the data set, or "model"."""
    uri: str
    """Where it was."""
    digest: Digest
    """sha256 of the object; for a prefix, of the names and digests of its objects."""
    bytes: int
    """Its size."""


class ManifestStep(StepStatus):
    """A step of the run, and what it made."""

    kind: str
    """The step, as users spell it."""
    key: str
    """Digest of everything that went in; the folder under .steps/ that keeps it."""
    digest: Digest
    """Digest of what it made."""
    bytes: int
    """Size of what it made."""
    facts: Facts
    """What it found out, in words and numbers."""
    evidence: tuple[Evidence, ...] = ()
    """What figures of the report are drawn from."""

    def status(self) -> StepStatus:
        """What users read about it."""
        return StepStatus.model_validate(self.model_dump(include=set(StepStatus.model_fields)))


class Manifest(Parameters):
    """Everything about one run, for machines."""

    schema_version: Literal["lathe.dev/manifest/v1"] = "lathe.dev/manifest/v1"
    run_key: str
    """64 hexadecimal digits; the first 16 name the folder."""
    exit_code: ExitCode
    """OK, or GATE_FAILED for what lies under rejected/."""
    inputs: tuple[InputRecord, ...]
    """The model, then the data sets."""
    plan: Plan
    """What was to be done."""
    steps: tuple[ManifestStep, ...]
    """What was done."""
    targets: tuple[TargetStatus, ...]
    """What the result is for."""
    artifacts: tuple[ArtifactStatus, ...]
    """What users load."""
    reports: tuple[FileRecord, ...]
    """The other files of the folder."""
    metrics: tuple[MetricStatus, ...]
    """What was measured."""
    gates: Verdict
    """Whether it was good enough."""
    summary: Summary
    """The result in three words."""
    environment: Environment
    """Where it was done, and with what."""
    made_on: dict[str, Environment] | None = None
    """Where each target was made, in a run whose targets need different hardware."""
    manifest_uri: Annotated[str, Field(alias="manifestURI")]
    """Where this manifest is."""
    report_uri: Annotated[str, Field(alias="reportURI")]
    """The report, to read in a browser."""

    @property
    def is_whole(self) -> bool:
        """Whether there is a result for every target."""
        return all(target.state == "Succeeded" for target in self.targets)

    def dumped(self) -> bytes:
        """The manifest as JSON: the same manifest is the same bytes."""
        document = self.model_dump(mode="json", exclude_none=True)
        return json.dumps(document, sort_keys=True, indent=1).encode() + b"\n"

    def outcome(self, cache: Literal["Hit", "Miss"]) -> Outcome:
        """How the run ended that wrote this manifest, as if it had just ended."""
        return Outcome(
            run_key=self.run_key,
            exit_code=self.exit_code,
            gates=self.gates.reason,
            gate_message=self.gates.message,
            failure=self._failure(),
            cache=cache,
            cache_source=f"{self.plan.namespace}/{self.plan.name}" if cache == "Hit" else None,
            steps=tuple(step.status() for step in self.steps),
            targets=self.targets,
            artifacts=self.artifacts,
            metrics=self.metrics,
            summary=self.summary,
            manifest_uri=self.manifest_uri,
            report_uri=self.report_uri,
        )

    def _failure(self) -> Failure | None:
        if self.exit_code is ExitCode.OK:
            return None
        return Failure(
            step=EVALUATE,
            reason=Reason.GATE_FAILED,
            exit_code=self.exit_code,
            message=self.gates.message,
        )
