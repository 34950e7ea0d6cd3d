"""What users read: the status of a ModelOptimization."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from lathe_api.v1alpha1.evaluation import Metric
from lathe_steps.base import Parameters
from lathe_steps.reasons import Reason

MAX_TEXT = 1024
HISTORY = 5
"""How many runs are remembered."""
MAX_PROFILE = 131_072
"""Bytes of a profile that a run can keep: its Job carries them, too."""


def clip(text: str, limit: int = MAX_TEXT) -> str:
    """The text itself, or its beginning and an ellipsis, in at most `limit` characters."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


Text = Annotated[str, BeforeValidator(clip), Field(max_length=MAX_TEXT)]
"""For people; what is too long is cut, since a status that cannot be written helps nobody."""
Word = Annotated[str, Field(max_length=253)]
Time = Annotated[str, Field(max_length=32, json_schema_extra={"format": "date-time"})]
"""RFC 3339, in UTC, to the second."""


def _by_name(keys: list[str]) -> dict[str, list[str]]:
    return {"x-kubernetes-list-map-keys": keys}


class Phase(StrEnum):
    """One word for where a resource is; derived from the conditions, never an input."""

    PENDING = "Pending"
    QUEUED = "Queued"
    RUNNING = "Running"
    SUSPENDED = "Suspended"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELLED = "Cancelled"


FINISHED = frozenset({Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED})


class ConditionType(StrEnum):
    """What a condition is about."""

    ACCEPTED = "Accepted"
    ADMITTED = "Admitted"
    SUSPENDED = "Suspended"
    GATES_PASSED = "GatesPassed"
    COMPLETE = "Complete"
    FAILED = "Failed"
    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"


class Condition(Parameters):
    """One aspect of the resource, as in every Kubernetes API."""

    type: Word
    """Accepted, Admitted, Suspended, GatesPassed, Complete, Failed, Ready, Reconciling or
    Stalled."""
    status: Literal["True", "False", "Unknown"]
    """Whether it holds."""
    observed_generation: int = 0
    """Generation of the spec that it speaks of."""
    last_transition_time: Time
    """When its status last changed."""
    reason: Word
    """One CamelCase word for why."""
    message: Text = ""
    """The same for people: what happened to what, and what to do."""


State = Literal["Pending", "Running", "Succeeded", "Failed"]


class StageStatus(Parameters):
    """A part of a run that has a Job of its own, since it needs hardware of its own."""

    name: Word
    """compress for what all targets share, build1, build2… for targets on hardware of their own,
    publish for the end."""
    job: Word | None = None
    """Its Job."""
    state: State
    """Where it is."""
    since: Time
    """Since when it is there."""
    reason: Word | None = None
    """Why it is not further, or why it failed, in one CamelCase word."""
    message: Text = ""
    """The same for people."""
    lean: bool = False
    """Whether its worker is told to need less memory, since one before it ran out of it."""


class TakenProfile(Parameters):
    """The profile that a run uses, as it was when the run took it."""

    kind: Word
    """OptimizationProfile or ClusterOptimizationProfile."""
    name: Word
    """Its name."""
    uid: Word
    """Tells it from its namesakes."""
    generation: int
    """Generation of its spec."""
    spec: Annotated[str, Field(max_length=MAX_PROFILE)]
    """What it gave, as JSON: later edits of the profile do not change this run."""


class Run(Parameters):
    """The current run, or the last one."""

    key: Word | None = None
    """Digest of everything that decides the result; the folder of its artifacts."""
    plan: Word | None = None
    """Digest of the plan and of the pod that works on it, which names the Job."""
    restart: Word | None = None
    """The request to restart that the run answers: the annotation lathe.dev/restartedAt."""
    job: Word | None = None
    """The Job's name. A run of several stages has more, whose names begin with this one."""
    stages: Annotated[
        tuple[StageStatus, ...], Field(max_length=18, json_schema_extra=_by_name(["name"]))
    ] = ()
    """The stages that have begun, of a run whose targets need different hardware."""
    attempt: int = 1
    """Which pod of the Job it is."""
    lean: bool = False
    """Whether its worker takes smaller batches, since one before it ran out of memory."""
    start_time: Time | None = None
    """When the first pod started to run."""
    completion_time: Time | None = None
    """When the run ended."""
    cache: Literal["Hit", "Miss"] | None = None
    """Hit when the whole result was there already."""
    since: Time | None = None
    """Since when it has been waiting, running or held back, or is over."""
    waited_seconds: Annotated[int, Field(ge=0)] = 0
    """How long it had waited for queues and nodes by then; at most pendingDeadlineSeconds."""
    active_seconds: Annotated[int, Field(ge=0)] = 0
    """How long it had run by then; at most activeDeadlineSeconds."""
    cache_source: Word | None = None
    """With Hit: whose run made the result, as namespace/name."""
    profile: TakenProfile | None = None
    """The profile that it uses, where there is one."""


class PastRun(Parameters):
    """A run that has ended, in a few words."""

    key: Word | None = None
    """Digest of everything that decides the result; the folder of its artifacts."""
    phase: Phase
    """How it ended."""
    reason: Word
    """One CamelCase word for why; Superseded where an edit or a request to restart came first."""
    restart: Word | None = None
    """The request to restart that it answered."""
    start_time: Time | None = None
    """When its first pod started to run."""
    completion_time: Time | None = None
    """When it ended."""
    manifest_uri: Annotated[Text | None, Field(alias="manifestURI")] = None
    """The manifest of what it published."""


class Progress(Parameters):
    """How far the worker is; written by the worker's pod itself."""

    percent: Annotated[int, Field(ge=0, le=100)] = 0
    """Share of the whole run that is done."""
    step: Word = ""
    """The step that is running."""
    step_index: int = 0
    """Its number, from 1."""
    steps: int = 0
    """How many there are."""
    message: Text = ""
    """What it is doing."""
    updated: Time | None = None
    """When this was written."""


Facts = Annotated[dict[Word, float], Field(max_length=32)]


class StepStatus(Parameters):
    """One step of the plan."""

    name: Word
    """Its name; a target's own steps are <target>/<name>."""
    state: Literal["Succeeded", "Failed"]
    """How it ended."""
    seconds: float = 0
    """How long it took."""
    cache: Literal["Hit", "Miss"] = "Miss"
    """Hit when it was taken up from an earlier attempt or run."""
    metrics: Facts = Field(default_factory=dict)
    """What it found out, such as params."""


class TargetStatus(Parameters):
    """One target."""

    name: Word
    """Its name."""
    state: State
    """Where it is."""
    job: Word | None = None
    """The Job that makes it."""
    reason: Word | None = None
    """Why it is not further, or why it failed, in one CamelCase word."""
    executed: bool = True
    """Whether the artifact itself was run; False for engines built where their GPU is not, whose
    quality is that of the graph they were built from."""
    message: Text = ""
    """What to know about it."""
    gpu_product: Word | None = None
    """GPU that it was built on."""
    compute_capability: Word | None = None
    """GPUs that it was built for."""
    tensorrt_version: Word | None = None
    """Version of the builder, which has to be the version of the runtime."""
    cuda_version: Word | None = None
    """Newest version of CUDA that the driver there takes."""
    driver_version: Word | None = None
    """Version of the GPU's driver there."""


class ArtifactStatus(Parameters):
    """One published file."""

    name: Word
    """File name."""
    target: Word
    """The target that it belongs to."""
    uri: Text
    """Where it is."""
    digest: Word
    """sha256:… of its content."""
    bytes: int
    """Its size."""


class MetricStatus(Parameters):
    """One metric on the input model and on one target."""

    name: Metric
    """What was measured."""
    target: Word
    """The target that it was measured on."""
    input: float
    """The input model's value."""
    output: float
    """The result's value."""
    delta: float | None = None
    """Output minus input, for quality."""
    ratio: float | None = None
    """Output over input, for sizes, times and Throughput."""
    low: float | None = None
    """Lower end of the 95 % interval of delta or ratio."""
    high: float | None = None
    """Upper end of the 95 % interval of delta or ratio."""
    samples: int | None = None
    """How many samples or calls it is about."""
    cpu_output: float | None = None
    """The result's value by CPU time instead of the wall's clock, for latencies and Throughput."""
    cpu_ratio: float | None = None
    """The ratio by CPU time; when the machine was busy and calls have one thread, all of the
    figures are by CPU time."""


class Failure(Parameters):
    """The last failure of a run."""

    step: Word | None = None
    """The step that was running."""
    reason: Reason
    """One CamelCase word for why."""
    exit_code: int | None = None
    """The worker's exit code: 10 gate, 20 spec, 30 input, 40 transient, 50 internal."""
    message: Text = ""
    """What happened to what, and what to do."""
    pod: Word | None = None
    """The pod, whose log has more."""
    time: Time | None = None
    """When."""


class Summary(Parameters):
    """The result in three words, for `kubectl get`."""

    size: Word | None = None
    """Change of size, such as -87%."""
    speedup: Word | None = None
    """Input latency over output latency, such as 3.1x."""
    quality: Word | None = None
    """Change of the first quality metric, such as Top1 -0.5pp."""
    model: Word | None = None
    """The model's name, from its uri."""
    targets: Word | None = None
    """Names of the targets."""
    duration: Word | None = None
    """Running time, such as 12m."""


class ModelOptimizationStatus(Parameters):
    """Where the resource is, and what came out."""

    observed_generation: int = 0
    """Generation of the spec that this status speaks of."""
    phase: Phase | None = None
    """One word for where it is; derived from the conditions."""
    conditions: Annotated[
        tuple[Condition, ...], Field(max_length=16, json_schema_extra=_by_name(["type"]))
    ] = ()
    """Aspects of the resource, each with a reason."""
    run: Run | None = None
    """The current run, or the last one."""
    progress: Progress | None = None
    """How far the worker is; written by the worker's pod itself."""
    steps: Annotated[tuple[StepStatus, ...], Field(max_length=288)] = ()
    """Finished steps."""
    targets: Annotated[
        tuple[TargetStatus, ...], Field(max_length=16, json_schema_extra=_by_name(["name"]))
    ] = ()
    """Targets, once they are built; those of a run of several stages from its beginning."""
    artifacts: Annotated[tuple[ArtifactStatus, ...], Field(max_length=128)] = ()
    """What was published."""
    metrics: Annotated[tuple[MetricStatus, ...], Field(max_length=288)] = ()
    """What was measured."""
    manifest_uri: Annotated[Text | None, Field(alias="manifestURI")] = None
    """The manifest, which lists everything that was published."""
    report_uri: Annotated[Text | None, Field(alias="reportURI")] = None
    """The report, to read in a browser."""
    last_failure: Failure | None = None
    """The last failure, of an attempt or of the run."""
    summary: Summary | None = None
    """The result in three words, for `kubectl get`."""
    history: Annotated[tuple[PastRun, ...], Field(max_length=HISTORY)] = ()
    """The last runs that have ended, newest first."""
