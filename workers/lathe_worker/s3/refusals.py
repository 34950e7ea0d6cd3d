"""What it means for a run when a storage server refuses: by status and code, never by its text."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from lathe_steps.errors import BadInput, InvalidSpec, Stopped, Transient
from lathe_steps.reasons import Reason
from lathe_worker.store import changed, not_found


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer of a server that is no success.

    Attributes:
        status: Of HTTP.
        code: Of S3, such as NoSuchKey; the status again where the answer has no body (to HEAD).
        uri: What was asked for.
        endpoint: Who answered.
    """

    status: int
    code: str
    uri: str
    endpoint: str


_PASSING_STATUS: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 509})
# Codes that come with a status which would say otherwise.
_PASSING_CODES: Final = frozenset(
    {
        *("RequestTimeout", "SlowDown", "InternalError", "ServiceUnavailable", "Throttling"),
        *("ThrottlingException", "RequestLimitExceeded", "BandwidthLimitExceeded"),
        *("NoSuchUpload", "IncompleteBody", "XAmzContentSHA256Mismatch", "BadDigest"),
    }
)
_CHANGED: Final = frozenset(
    {HTTPStatus.PRECONDITION_FAILED, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE}
)
_DENIED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_ELSEWHERE: Final = frozenset(
    {
        *("PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed"),
        *("IllegalLocationConstraintException", "301", "307"),
    }
)
_WHY_DENIED: Final = {
    "InvalidAccessKeyId": "the access key is unknown there",
    "SignatureDoesNotMatch": "the secret key does not belong to the access key",
    "ExpiredToken": "the session token has expired",
    "TokenRefreshRequired": "the session token has expired",
    "InvalidToken": "the session token is not valid",
    "RequestTimeTooSkewed": "the clock of this machine is wrong",
    "InvalidObjectState": "it is archived, and has to be restored first",
}


def may_pass(refusal: Refusal) -> bool:
    """Whether asking again may help."""
    return refusal.status in _PASSING_STATUS or refusal.code in _PASSING_CODES


def meaning(refusal: Refusal) -> Stopped:
    """What the run ends with, if asking again does not help."""
    uri, endpoint = refusal.uri, refusal.endpoint
    if may_pass(refusal):
        return unavailable(endpoint, f"it answers {_said(refusal)} to {uri}")
    if refusal.code in _WHY_DENIED or refusal.status in _DENIED:
        return denied(uri, endpoint, refusal.code)
    if refusal.code in _ELSEWHERE:
        return InvalidSpec(
            f"{uri} is not in the region that {endpoint} was asked for; "
            "set spec.storage.s3.region to the bucket's"
        )
    if refusal.status in _CHANGED:
        return changed(uri)
    if refusal.status == HTTPStatus.NOT_FOUND:
        what = "bucket" if refusal.code == "NoSuchBucket" else "object"
        return not_found(uri, f"there is no such {what} at {endpoint}")
    return BadInput(
        f"{endpoint} refuses {uri} with {_said(refusal)}; "
        "check spec.storage.s3, its encryption above all",
        reason=Reason.STORAGE_REFUSED,
    )


def unavailable(endpoint: str, why: str) -> Transient:
    """Nobody gives a useful answer at the endpoint."""
    return Transient(
        f"storage at {endpoint} is not available: {why}; "
        "check spec.storage.s3.endpoint, the network and the service",
        reason=Reason.STORAGE_UNAVAILABLE,
    )


def untrusted(endpoint: str) -> InvalidSpec:
    """The endpoint's certificate is signed by nobody who is trusted."""
    return InvalidSpec(
        f"the certificate of {endpoint} is not trusted; "
        "name its authority in spec.storage.s3.ca (or AWS_CA_BUNDLE), or mend the endpoint",
        reason=Reason.UNTRUSTED_ENDPOINT,
    )


def denied(uri: str, endpoint: str, code: str) -> BadInput:
    """Whoever asks has no right to, or is not who they say."""
    why = _WHY_DENIED.get(
        code,
        "the credentials lack the right (or the right to list the bucket, without which "
        "a missing object looks the same)",
    )
    return BadInput(
        f"access to {uri} is denied by {endpoint}: {why}; check spec.storage.s3.credentials "
        "and the bucket's policy",
        reason=Reason.ACCESS_DENIED,
    )


def without_credentials(uri: str, endpoint: str) -> BadInput:
    """There is nothing to sign a request with."""
    return BadInput(
        f"there are no valid credentials to reach {uri} at {endpoint}; "
        "set spec.storage.s3.credentials (or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)",
        reason=Reason.ACCESS_DENIED,
    )


def _said(refusal: Refusal) -> str:
    if refusal.code == str(refusal.status):
        return f"HTTP {refusal.status}"
    return f"HTTP {refusal.status} {refusal.code}"
