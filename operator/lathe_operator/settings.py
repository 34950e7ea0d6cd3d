"""Settings of the operator's process: environment variables that begin with LATHE_."""

import socket
import uuid
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field
from pydantic.functional_validators import BeforeValidator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from lathe_operator.values import Policy, Ref


def _split(text: object) -> object:
    """The words of a comma-separated list."""
    if not isinstance(text, str):
        return text
    return tuple(word.strip() for word in text.split(",") if word.strip())


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]


class Settings(BaseSettings):
    """What the administrator sets; read once, when the process starts."""

    model_config = SettingsConfigDict(
        env_prefix="LATHE_", frozen=True, extra="ignore", use_attribute_docstrings=True
    )

    worker_image: Annotated[str, Field(min_length=1)]
    """Image of workers whose resource names none."""
    namespaces: Words = ()
    """Namespaces to serve, separated by commas; empty: all, which needs a ClusterRoleBinding."""
    cluster_profiles: bool = True
    """Whether ClusterOptimizationProfiles are watched, which needs a ClusterRoleBinding."""
    worker_service_account: str = ""
    """ServiceAccount of workers whose resource names none; empty: the namespace's `default`."""
    allow_state_dict: bool = False
    """Whether models of the format StateDict are taken."""
    allowed_images: Words = ()
    """Patterns of images that resources may name, separated by commas; empty: every image."""
    workers: Annotated[int, Field(ge=1, le=256)] = 16
    """Resources that are looked at at once."""
    resync_seconds: Annotated[int, Field(ge=10)] = 600
    """How often open resources are looked at again, and the watches compared with a list."""
    namespace: str = "lathe-system"
    """Namespace of the Lease: the operator's own."""
    lease_name: str = "lathe-operator"
    """Name of the Lease."""
    lease_seconds: Annotated[float, Field(ge=0.3)] = 15.0
    """How long a leader that has fallen silent is waited for."""
    lease_retry_seconds: Annotated[float, Field(ge=0.05)] = 2.0
    """How often the Lease is renewed, or tried."""
    host: str = "0.0.0.0"  # noqa: S104 - the kubelet and Prometheus come from outside the pod
    """Address on which /healthz, /readyz and /metrics are served."""
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    """Its port; 0: any free one, which the log tells."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least level that is logged."""

    @property
    def policy(self) -> Policy:
        """The part that decisions know."""
        return Policy(
            worker_image=self.worker_image,
            worker_service_account=self.worker_service_account or None,
            allow_state_dict=self.allow_state_dict,
            allowed_images=self.allowed_images,
        )

    @property
    def lease(self) -> Ref:
        """The Lease's place."""
        return Ref(self.namespace, self.lease_name)

    @property
    def lease_duration(self) -> timedelta:
        """See `lease_seconds`."""
        return timedelta(seconds=self.lease_seconds)

    @property
    def lease_retry(self) -> timedelta:
        """See `lease_retry_seconds`."""
        return timedelta(seconds=self.lease_retry_seconds)


def identity() -> str:
    """A name that no other process has."""
    return f"{socket.gethostname()}_{uuid.uuid4().hex[:8]}"
