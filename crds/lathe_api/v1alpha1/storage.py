"""How s3:// is reached."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lathe_steps.base import Parameters, Rule

S3URI = Annotated[
    str,
    Field(
        max_length=1024,
        pattern=r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/[^\x00-\x1f\\]*$",
    ),
]
"""s3://bucket/key, or s3://bucket/prefix/."""

ObjectName = Annotated[
    str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")
]


class SecretRef(Parameters):
    """A Secret in the namespace of the resource. Only the kubelet reads it."""

    name: ObjectName
    """Its keys are AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN), or
    awsAccessKeyID and awsSecretAccessKey."""


class ServiceAccountCredentials(Parameters):
    """Credentials of the pod's ServiceAccount (IRSA, workload identity)."""


class AnonymousCredentials(Parameters):
    """No credentials: requests are not signed."""


class Credentials(Parameters):
    """Who asks."""

    exactly_one_of: ClassVar = ("secret_ref", "service_account", "anonymous")

    secret_ref: SecretRef | None = None
    """Keys from a Secret."""
    service_account: ServiceAccountCredentials | None = None
    """The ServiceAccount of the worker's pod."""
    anonymous: AnonymousCredentials | None = None
    """Nobody: for public buckets."""


class ConfigMapKey(Parameters):
    """A key of a ConfigMap in the namespace of the resource."""

    name: ObjectName
    """Name of the ConfigMap."""
    key: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")]
    """Key in it."""


class CertificateAuthority(Parameters):
    """Whom to trust for TLS."""

    config_map_ref: ConfigMapKey
    """A bundle of PEM certificates."""


class Encryption(Parameters):
    """How the server encrypts what is written."""

    rules: ClassVar = (
        Rule(
            "self.type == 'KMS' || !has(self.keyId)",
            "keyId is for type KMS",
            lambda it: it.type == "KMS" or it.key_id is None,
        ),
    )

    type: Literal["AES256", "KMS"]
    """With keys that S3 keeps, or with keys of the key management service."""
    key_id: Annotated[str, Field(max_length=2048)] | None = None
    """The key, or alias/…; without it the bucket's default key."""


class S3(Parameters):
    """An S3 service."""

    endpoint: Annotated[str, Field(max_length=1024, pattern=r"^https?://[^\s/?#@]+/?$")] | None = (
        None
    )
    """Address of the service; without it, AWS."""
    region: Annotated[str, Field(max_length=63, pattern=r"^[a-z0-9-]+$")] | None = None
    """Region; without it, the one of the environment, or us-east-1."""
    addressing_style: Literal["Auto", "Path", "Virtual"] = "Auto"
    """Whether the bucket stands in the path or in the host's name."""
    credentials: Credentials | None = None
    """Who asks; without it, the pod's ServiceAccount, or the environment of `lathe run`."""
    ca: CertificateAuthority | None = None
    """Whom to trust for TLS; without it, the public authorities."""
    encryption: Encryption | None = None
    """How the server encrypts what is written; without it, as the bucket says."""


class Storage(Parameters):
    """How s3:// is reached."""

    s3: S3 = S3()
    """The S3 service."""
