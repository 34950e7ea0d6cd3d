"""The kinds that the API server serves for Lathe, each with its names, columns and types."""

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

from lathe_api.v1alpha1 import profile, resource
from lathe_api.v1alpha1.resource import GROUP, Column
from lathe_api.v1alpha1.spec import ModelOptimizationSpec
from lathe_api.v1alpha1.status import ModelOptimizationStatus


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of object.

    Attributes:
        envelope: The type of the whole object.
        plural: Its name in the API's paths.
        short_names: What kubectl takes instead.
        scope: Whether its objects belong to a namespace or to the cluster.
        columns: What `kubectl get` shows.
        spec: The type of what users write.
        status: The type of what users read; None where there is nothing.
        categories: Groups of kinds that kubectl takes, such as all.
    """

    envelope: type[BaseModel]
    plural: str
    short_names: tuple[str, ...]
    scope: Literal["Namespaced", "Cluster"]
    columns: tuple[Column, ...]
    spec: type[BaseModel]
    status: type[BaseModel] | None = None
    categories: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """As documents spell it."""
        return self.envelope.__name__

    @property
    def file(self) -> str:
        """The file of its CustomResourceDefinition."""
        return f"{GROUP}_{self.plural}.yaml"


MODEL_OPTIMIZATION = Kind(
    resource.ModelOptimization,
    resource.PLURAL,
    resource.SHORT_NAMES,
    "Namespaced",
    resource.COLUMNS,
    ModelOptimizationSpec,
    ModelOptimizationStatus,
    resource.CATEGORIES,
)
PROFILE = Kind(
    profile.OptimizationProfile,
    "optimizationprofiles",
    ("mop",),
    "Namespaced",
    profile.PROFILE_COLUMNS,
    profile.OptimizationProfileSpec,
)
CLUSTER_PROFILE = Kind(
    profile.ClusterOptimizationProfile,
    "clusteroptimizationprofiles",
    ("cmop",),
    "Cluster",
    profile.PROFILE_COLUMNS,
    profile.OptimizationProfileSpec,
)
PROFILES = (PROFILE, CLUSTER_PROFILE)
SERVED = (MODEL_OPTIMIZATION, *PROFILES)
