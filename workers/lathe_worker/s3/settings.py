"""How S3 is reached, decided from the resource and the caller's environment alone."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from lathe_api.v1alpha1.storage import S3, Encryption
from lathe_steps.errors import BadInput, InvalidSpec
from lathe_steps.reasons import Reason
from lathe_worker.patience import Patience

SECRET_PREFIX: Final = "LATHE_S3_"  # noqa: S105 - the prefix of variables, not a secret
"""Before the names of variables that are the keys of the resource's Secret (envFrom.prefix)."""

CA_BUNDLE: Final = "AWS_CA_BUNDLE"
"""The variable that names the file which spec.storage.s3.ca was mounted as."""

DEFAULT_REGION: Final = "us-east-1"

PATIENCE: Final = Patience()
FIRST_PATIENCE: Final = Patience(seconds=15.0)

_ENDPOINT = re.compile(r"https?://[^\s/?#@]+")
_FALSE, _TRUE = frozenset({"0", "false", "no"}), frozenset({"1", "true", "yes"})


@dataclass(frozen=True, slots=True)
class Keys:
    """Credentials that are given."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Ambient:
    """Credentials that the surroundings give: a ServiceAccount, a profile, variables.

    Attributes:
        node: Whether the node's own role may be used, by way of its metadata service.
    """

    node: bool = False


@dataclass(frozen=True, slots=True)
class Anonymous:
    """No credentials: requests are not signed."""


@dataclass(frozen=True, slots=True)
class S3Settings:
    """All that decides how S3 is spoken to.

    Attributes:
        endpoint: Scheme, host and port; None is AWS.
        region: Signed into every request.
        addressing_style: Whether the bucket stands in the path or in the host's name.
        credentials: Who asks.
        ca_bundle: PEM file of whom to trust instead of the public authorities.
        encryption: How the server encrypts what is written; None as the bucket says.
        connections: How many requests run at a time, for each call of the store.
        upload_attempts: How often each part of a large upload is tried; with the default and
            the growing pauses between them, for about a minute.
        connect_timeout: Seconds until a connection stands.
        read_timeout: Seconds without a byte after which a connection counts as broken.
        patience: How long failures without progress are borne.
        first_patience: The same for an endpoint that never answered, which is likely misspelt.
    """

    endpoint: str | None = None
    region: str = DEFAULT_REGION
    addressing_style: Literal["Auto", "Path", "Virtual"] = "Auto"
    credentials: Keys | Ambient | Anonymous = Ambient()
    ca_bundle: Path | None = None
    encryption: Encryption | None = None
    connections: int = 8
    upload_attempts: int = 8
    connect_timeout: float = 5.0
    read_timeout: float = 30.0
    patience: Patience = PATIENCE
    first_patience: Patience = FIRST_PATIENCE

    @property
    def address(self) -> str:
        """The endpoint as messages name it."""
        return self.endpoint or f"AWS S3 ({self.region})"


def s3_settings(s3: S3, environment: Mapping[str, str], *, processors: int = 2) -> S3Settings:
    """Settle how to reach S3: what the resource says, and where it is silent, the environment.

    The variables are those of AWS and of KServe's Secrets. In a pod the Secret's keys come with
    SECRET_PREFIX; where no variable has it (on a laptop), the plain names stand for them.

    Raises:
        BadInput: AccessDenied, when the Secret has no keys.
        InvalidSpec: The endpoint is none, asks not to be verified, or the CA's file is not named.
    """
    secret = {
        name.removeprefix(SECRET_PREFIX): value
        for name, value in environment.items()
        if name.startswith(SECRET_PREFIX)
    }
    given = secret or environment
    return S3Settings(
        endpoint=_endpoint(s3, given),
        region=s3.region
        or _first(given, *_REGIONS)
        or _first(environment, *_REGIONS)
        or DEFAULT_REGION,
        addressing_style=_addressing_style(s3, given),
        credentials=_credentials(s3, given, in_pod=bool(secret)),
        ca_bundle=_ca_bundle(s3, environment),
        encryption=s3.encryption,
        connections=max(8, min(32, 4 * processors)),
    )


_REGIONS: Final = ("AWS_DEFAULT_REGION", "AWS_REGION")


def _endpoint(s3: S3, given: Mapping[str, str]) -> str | None:
    endpoint = s3.endpoint or _first(given, "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
    if endpoint is None and (host := _first(given, "S3_ENDPOINT")) is not None:
        scheme = "http" if _says(given, "S3_USE_HTTPS", _FALSE) else "https"
        endpoint = host if "://" in host else f"{scheme}://{host}"
    if endpoint is None:
        return None
    endpoint = endpoint.rstrip("/")
    if _ENDPOINT.fullmatch(endpoint) is None:
        raise InvalidSpec(f"{endpoint!r} is no endpoint; write http://host:port or https://host")
    if endpoint.startswith("https:") and _says(given, "S3_VERIFY_SSL", _FALSE):
        # Whoever can stand between could then hand over any model, and gets the credentials' use.
        raise InvalidSpec(
            f"S3_VERIFY_SSL switches off the verification of {endpoint}, which is not supported; "
            "name its authority in spec.storage.s3.ca, and remove the key",
            reason=Reason.UNTRUSTED_ENDPOINT,
        )
    return endpoint


def _addressing_style(s3: S3, given: Mapping[str, str]) -> Literal["Auto", "Path", "Virtual"]:
    if s3.addressing_style == "Auto" and _says(given, "S3_USER_VIRTUAL_BUCKET", _TRUE):
        return "Virtual"
    return s3.addressing_style


def _credentials(s3: S3, given: Mapping[str, str], *, in_pod: bool) -> Keys | Ambient | Anonymous:
    asked = s3.credentials
    if asked is not None and asked.anonymous is not None:
        return Anonymous()
    if asked is not None and asked.service_account is not None:
        return Ambient(node=True)
    if _says(given, "awsAnonymousCredential", _TRUE):
        return Anonymous()
    key = _first(given, "AWS_ACCESS_KEY_ID", "awsAccessKeyID")
    secret = _first(given, "AWS_SECRET_ACCESS_KEY", "awsSecretAccessKey")
    if key is not None and secret is not None:
        return Keys(key, secret, _first(given, "AWS_SESSION_TOKEN", "awsSessionToken"))
    if in_pod:
        name = asked.secret_ref.name if asked is not None and asked.secret_ref else "of storage"
        raise BadInput(
            f"the Secret {name} has no AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY "
            "(or awsAccessKeyID and awsSecretAccessKey); add both",
            reason=Reason.ACCESS_DENIED,
        )
    return Ambient()


def _ca_bundle(s3: S3, environment: Mapping[str, str]) -> Path | None:
    named = _first(environment, CA_BUNDLE)
    if named is None and s3.ca is not None:
        raise InvalidSpec(
            f"the ConfigMap {s3.ca.config_map_ref.name} of spec.storage.s3.ca is not at hand; "
            f"set {CA_BUNDLE} to a file with its certificates"
        )
    return None if named is None else Path(named)


def _first(given: Mapping[str, str], *names: str) -> str | None:
    return next((value for name in names if (value := given.get(name, "").strip())), None)


def _says(given: Mapping[str, str], name: str, words: frozenset[str]) -> bool:
    return given.get(name, "").strip().lower() in words
