"""What a server's refusal means follows from its status and code."""

import pytest

from lathe_steps.errors import BadInput, InvalidSpec, Stopped, Transient
from lathe_steps.reasons import Reason
from lathe_worker.s3.refusals import Refusal, may_pass, meaning

URI = "s3://models/model.onnx"
ENDPOINT = "https://minio.corp:9000"


@pytest.mark.parametrize(
    ("kind", "reason", "status", "code"),
    [
        (Transient, Reason.STORAGE_UNAVAILABLE, 500, "InternalError"),
        (Transient, Reason.STORAGE_UNAVAILABLE, 502, "502"),
        (Transient, Reason.STORAGE_UNAVAILABLE, 503, "SlowDown"),
        (Transient, Reason.STORAGE_UNAVAILABLE, 503, "XMinioServerNotInitialized"),
        (Transient, Reason.STORAGE_UNAVAILABLE, 504, "504"),
        (Transient, Reason.STORAGE_UNAVAILABLE, 429, "429"),
        (Transient, Reason.STORAGE_UNAVAILABLE, 409, "OperationAborted"),
        (Transient, Reason.STORAGE_UNAVAILABLE, 400, "RequestTimeout"),
        (Transient, Reason.STORAGE_UNAVAILABLE, 200, "InternalError"),
        (Transient, Reason.STORAGE_UNAVAILABLE, 404, "NoSuchUpload"),
        (Transient, Reason.OBJECT_CHANGED, 412, "PreconditionFailed"),
        (Transient, Reason.OBJECT_CHANGED, 416, "InvalidRange"),
        (BadInput, Reason.OBJECT_NOT_FOUND, 404, "NoSuchKey"),
        (BadInput, Reason.OBJECT_NOT_FOUND, 404, "NoSuchBucket"),
        (BadInput, Reason.OBJECT_NOT_FOUND, 404, "404"),
        (BadInput, Reason.ACCESS_DENIED, 403, "AccessDenied"),
        (BadInput, Reason.ACCESS_DENIED, 403, "403"),
        (BadInput, Reason.ACCESS_DENIED, 403, "InvalidAccessKeyId"),
        (BadInput, Reason.ACCESS_DENIED, 403, "SignatureDoesNotMatch"),
        (BadInput, Reason.ACCESS_DENIED, 403, "RequestTimeTooSkewed"),
        (BadInput, Reason.ACCESS_DENIED, 403, "InvalidObjectState"),
        (BadInput, Reason.ACCESS_DENIED, 401, "401"),
        (BadInput, Reason.ACCESS_DENIED, 400, "ExpiredToken"),
        (BadInput, Reason.ACCESS_DENIED, 400, "InvalidToken"),
        (InvalidSpec, Reason.INVALID_SPEC, 301, "PermanentRedirect"),
        (InvalidSpec, Reason.INVALID_SPEC, 400, "AuthorizationHeaderMalformed"),
        (BadInput, Reason.STORAGE_REFUSED, 400, "KMS.NotFoundException"),
        (BadInput, Reason.STORAGE_REFUSED, 400, "InvalidRequest"),
        (BadInput, Reason.STORAGE_REFUSED, 501, "NotImplemented"),
    ],
    ids=str,
)
def test_a_refusal_has_a_meaning(
    kind: type[Stopped], reason: Reason, status: int, code: str
) -> None:
    refusal = Refusal(status, code, URI, ENDPOINT)

    stopped = meaning(refusal)

    assert (type(stopped), stopped.reason) == (kind, reason)
    assert URI in stopped.message
    assert "\n" not in stopped.message
    assert may_pass(refusal) == (reason is Reason.STORAGE_UNAVAILABLE)
