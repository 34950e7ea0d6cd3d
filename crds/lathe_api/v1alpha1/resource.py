"""The resource's name in the API, its columns in `kubectl get`, and its envelope."""

from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from lathe_api.v1alpha1.spec import ModelOptimizationSpec
from lathe_api.v1alpha1.status import ModelOptimizationStatus
from lathe_steps.base import Parameters, Rule

GROUP = "lathe.dev"
VERSION = "v1alpha1"
KIND = "ModelOptimization"
PLURAL = "modeloptimizations"
SINGULAR = "modeloptimization"
SHORT_NAMES = ("mo",)
CATEGORIES = ("ml",)
API_VERSION = f"{GROUP}/{VERSION}"
MAX_NAME = 40
"""Names of Jobs and pods derive from the resource's, and end at 63 characters."""


class Column(NamedTuple):
    """A column of `kubectl get`; those of priority 1 are shown with `-o wide`."""

    name: str
    path: str
    type: str = "string"
    priority: int = 0


COLUMNS = (
    Column("Phase", ".status.phase"),
    Column("Step", ".status.progress.step"),
    Column("Progress", ".status.progress.percent", "integer"),
    Column("Size", ".status.summary.size"),
    Column("Speedup", ".status.summary.speedup"),
    Column("Quality", ".status.summary.quality"),
    Column("Model", ".status.summary.model", priority=1),
    Column("Profile", ".spec.profileRef.name", priority=1),
    Column("Targets", ".status.summary.targets", priority=1),
    Column("Duration", ".status.summary.duration", priority=1),
    Column("Message", '.status.conditions[?(@.type=="Ready")].message', priority=1),
    Column("Age", ".metadata.creationTimestamp", "date"),
)


class Metadata(BaseModel):
    """The part of the metadata that Lathe reads; the rest is the API server's."""

    model_config = ConfigDict(frozen=True, extra="ignore", validate_by_alias=True)

    name: Annotated[
        str, Field(min_length=1, max_length=MAX_NAME, pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$")
    ]
    namespace: str = "default"
    uid: str = ""
    generation: int = 0


class ModelOptimization(Parameters):
    """A model, made smaller or faster by declared steps, measured and gated.

    Applied with kubectl, or run on a laptop with `lathe run FILE`.
    """

    rules: ClassVar = (
        Rule(
            f"size(self.metadata.name) <= {MAX_NAME} && "
            "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
            f"metadata.name is a DNS label that starts with a letter, at most {MAX_NAME} "
            "characters: names of Jobs and pods derive from it",
        ),
    )

    api_version: Literal["lathe.dev/v1alpha1"]
    kind: Literal["ModelOptimization"]
    metadata: Metadata
    spec: ModelOptimizationSpec
    status: Annotated[ModelOptimizationStatus | dict[str, Any] | None, Field(exclude=True)] = None
