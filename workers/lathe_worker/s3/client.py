"""The client that botocore makes of our settings."""

from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal

import boto3.session
import botocore.session
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError
from botocore.loaders import Loader, create_loader

from lathe_steps.errors import InvalidSpec
from lathe_worker.s3.settings import CA_BUNDLE, Ambient, Anonymous, Keys, S3Settings

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_STYLES: Final[dict[str, Literal["auto", "path", "virtual"]]] = {
    "Auto": "auto",
    "Path": "path",
    "Virtual": "virtual",
}


def client(settings: S3Settings, *, attempts: int = 1) -> "S3Client":
    """Make a client that tries each request so many times; nothing is sent yet.

    Raises:
        InvalidSpec: The settings make no client: a profile or a file does not exist.
    """
    bundle = settings.ca_bundle
    if bundle is not None and not bundle.is_file():
        raise InvalidSpec(f"{CA_BUNDLE} names {bundle}, which is no file; mount it or name it")
    try:
        return _session(settings).client(
            "s3",
            endpoint_url=settings.endpoint,
            verify=None if bundle is None else str(bundle),
            config=_config(settings, attempts),
        )
    except (BotoCoreError, ValueError) as error:
        raise InvalidSpec(f"S3 cannot be set up: {error}; check spec.storage.s3") from error


def encryption(settings: S3Settings) -> dict[str, Any]:
    """The parameters of whatever writes an object."""
    wanted = settings.encryption
    if wanted is None:
        return {}
    if wanted.type == "AES256":
        return {"ServerSideEncryption": "AES256"}
    key = {} if wanted.key_id is None else {"SSEKMSKeyId": wanted.key_id}
    return {"ServerSideEncryption": "aws:kms", **key}


@cache
def _descriptions() -> Loader:
    """What botocore knows of S3: a tenth of a second to read, so it is read once."""
    return create_loader()


def _session(settings: S3Settings) -> boto3.session.Session:
    core = botocore.session.get_session()
    core.register_component("data_loader", _descriptions())
    credentials = settings.credentials
    if not (isinstance(credentials, Ambient) and credentials.node):
        # As AWS_EC2_METADATA_DISABLED does: nobody gets the rights of the node unasked.
        core.get_component("credential_provider").remove("iam-role")
    if not isinstance(credentials, Keys):
        return boto3.session.Session(botocore_session=core)
    return boto3.session.Session(
        aws_access_key_id=credentials.access_key_id,
        aws_secret_access_key=credentials.secret_access_key,
        aws_session_token=credentials.session_token,
        botocore_session=core,
    )


def _config(settings: S3Settings, attempts: int) -> Config:
    anonymous = isinstance(settings.credentials, Anonymous)
    return Config(
        region_name=settings.region,
        signature_version=UNSIGNED if anonymous else None,
        s3={
            "addressing_style": _STYLES[settings.addressing_style],
            # The sha256 of all that is sent stands in what is signed, so a server that checks
            # signatures checks it too: the one checksum that all of them have. The CRC that boto3
            # sends by default is unknown to some, and wrong in others (boto3 issue 4392).
            "payload_signing_enabled": True,
        },
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",  # what is read is hashed as a whole
        # Standard mode lets all connections share a small budget of retries, which one burst of
        # errors over several parts of an upload uses up at once. Legacy mode has none.
        retries={"mode": "legacy", "total_max_attempts": attempts},
        connect_timeout=settings.connect_timeout,
        read_timeout=settings.read_timeout,
        max_pool_connections=2 * settings.connections,
        tcp_keepalive=True,
        user_agent_extra="lathe",
        # The settings have looked at them already.
        ignore_configured_endpoint_urls=True,  # type: ignore[call-arg]  # the stubs lack it
    )
