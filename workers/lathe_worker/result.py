"""All that a run found out, once everything is measured and before anything is published."""

from dataclasses import dataclass

from lathe_api.plan import Plan
from lathe_api.v1alpha1.status import TargetStatus
from lathe_steps.base import Artifact
from lathe_worker.environment import Environment
from lathe_worker.gates import Verdict
from lathe_worker.manifest import InputRecord, ManifestStep
from lathe_worker.measured import Measured


@dataclass(frozen=True, slots=True)
class Result:
    """What manifest, report and summary are made of.

    Attributes:
        plan: What was to be done.
        run_key: 64 hexadecimal digits that name the result.
        inputs: The model, then the data sets.
        source: The input model, checked; its facts and its size.
        steps: What was done, in the order in which it was.
        finals: The artifact of each target.
        targets: What is to be known about each target.
        measured: What was measured; None without an evaluation.
        verdict: Whether it is good enough.
        environment: Where it was done, and with what.
        seconds: How long the run took so far.
    """

    plan: Plan
    run_key: str
    inputs: tuple[InputRecord, ...]
    source: Artifact
    steps: tuple[ManifestStep, ...]
    finals: tuple[tuple[str, Artifact], ...]
    targets: tuple[TargetStatus, ...]
    measured: Measured | None
    verdict: Verdict
    environment: Environment
    seconds: float
