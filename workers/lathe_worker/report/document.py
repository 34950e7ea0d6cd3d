"""What a report says, for machines: report.json."""

import json
from typing import Literal

from pydantic import Field, field_validator

from lathe_api.plan import Plan
from lathe_api.v1alpha1.status import ArtifactStatus, Summary, TargetStatus, Time
from lathe_steps.base import Parameters
from lathe_worker.environment import Environment
from lathe_worker.gates import Verdict
from lathe_worker.manifest import InputRecord, ManifestStep
from lathe_worker.measured import Measured
from lathe_worker.report.finite import finite

JSON_NAME = "report.json"
HTML_NAME = "report.html"


class Report(Parameters):
    """A run, with everything that a reader may ask about it."""

    schema_version: Literal["lathe.dev/report/v1"] = "lathe.dev/report/v1"
    run_key: str
    """64 hexadecimal digits that name what was done to what, with what."""
    finished: Time
    """When the run ended."""
    seconds: float
    """How long it took, from fetching to measuring."""
    plan: Plan
    """What was to be done."""
    inputs: tuple[InputRecord, ...]
    """The model, then the data sets."""
    steps: tuple[ManifestStep, ...]
    """What was done, in order."""
    targets: tuple[TargetStatus, ...]
    """What the result is for."""
    artifacts: tuple[ArtifactStatus, ...]
    """What users load."""
    measured: Measured | None = None
    """What was measured; None without an evaluation."""
    gates: Verdict
    """Whether it was good enough."""
    rolled_back: dict[str, str] = Field(default_factory=dict)
    """Targets that were rolled back, each with the step whose result is published instead; what
    was measured of them is about that."""
    summary: Summary
    """The result in three words."""
    environment: Environment
    """Where it was done, and with what."""
    made_on: dict[str, Environment] | None = None
    """Where each target was made, in a run whose targets need different hardware."""

    @field_validator("steps")
    @classmethod
    def _are_finite(cls, steps: tuple[ManifestStep, ...]) -> tuple[ManifestStep, ...]:
        return tuple(map(finite, steps))

    def dumped(self) -> bytes:
        """The report as JSON: the same report is the same bytes."""
        document = self.model_dump(mode="json", exclude_none=True)
        return json.dumps(document, sort_keys=True, indent=1).encode() + b"\n"
