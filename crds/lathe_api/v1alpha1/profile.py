"""What platform teams own: profiles, which give resources what they do not say themselves."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lathe_api.v1alpha1.evaluation import Measures
from lathe_api.v1alpha1.resource import Column
from lathe_api.v1alpha1.running import RunLimits, Scheduling, Worker
from lathe_api.v1alpha1.spec import Form, Target
from lathe_api.v1alpha1.steps import StepEntry
from lathe_api.v1alpha1.storage import ObjectName, Storage
from lathe_steps.base import Parameters
from lathe_steps.words import Name

PROFILE_COLUMNS = (
    Column("Description", ".spec.description"),
    Column("Deprecated", ".spec.deprecated.message"),
    Column("Replaced by", ".spec.deprecated.replacedBy", priority=1),
    Column("Age", ".metadata.creationTimestamp", "date"),
)


class Deprecation(Parameters):
    """Why resources should not use the profile any more."""

    message: Annotated[str, Field(min_length=1, max_length=256)]
    """Why, and what to do; shown by every resource that uses the profile."""
    replaced_by: ObjectName | None = None
    """Name of the profile of the same kind to use instead."""


class ProfileEvaluation(Measures):
    """How results are measured, and which gates they have to pass."""

    dataset: Name | None = None
    """Name of the data set to measure on, which the resource declares."""


class OptimizationProfileSpec(Parameters):
    """What a resource that uses the profile takes from it, where it does not say so itself."""

    description: Annotated[str, Field(max_length=256)] | None = None
    """What the profile is for; nobody takes it."""
    deprecated: Deprecation | None = None
    """Say why resources should not use it any more. They go on working."""
    steps: Annotated[tuple[StepEntry, ...], Field(max_length=32)] = ()
    """For resources without steps of their own: what is done to the model. Data sets are named as
    the resource declares them."""
    targets: Annotated[
        tuple[Target, ...],
        Field(max_length=16, json_schema_extra={"x-kubernetes-list-map-keys": ["name"]}),
    ] = ()
    """For resources without targets of their own: what the result is for."""
    evaluation: ProfileEvaluation | None = None
    """How results are measured. A resource that takes this names its own data set, unless the
    profile does."""
    output: Form | None = None
    """How results are laid out; where they go, the resource says."""
    storage: Storage | None = None
    """How s3:// is reached. Secrets and ConfigMaps are those in the namespace of the resource."""
    run: RunLimits | None = None
    """How long and how often a run works."""
    scheduling: Scheduling | None = None
    """Queue and priority."""
    worker: Worker | None = None
    """The pod that does the work."""

    @model_validator(mode="after")
    def _names_are_unique(self) -> "OptimizationProfileSpec":
        names = [target.name for target in self.targets]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"targets: the name {repeated[0]} is used twice")
        return self


class ProfileMetadata(BaseModel):
    """The part of the metadata that Lathe reads; the rest is the API server's."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: ObjectName
    namespace: str | None = None


class OptimizationProfile(Parameters):
    """Defaults and steps for the ModelOptimizations of a namespace that refer to it.

    A run keeps what it took: an edit of the profile is for later runs.
    """

    api_version: Literal["lathe.dev/v1alpha1"]
    kind: Literal["OptimizationProfile"]
    metadata: ProfileMetadata
    spec: OptimizationProfileSpec


class ClusterOptimizationProfile(Parameters):
    """Defaults and steps for the ModelOptimizations of all namespaces that refer to it.

    A run keeps what it took: an edit of the profile is for later runs.
    """

    api_version: Literal["lathe.dev/v1alpha1"]
    kind: Literal["ClusterOptimizationProfile"]
    metadata: ProfileMetadata
    spec: OptimizationProfileSpec
