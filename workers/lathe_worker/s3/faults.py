"""What botocore raises, in the words of the worker; and asking again where that may help."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    IncompleteReadError,
    LoginError,
    NoCredentialsError,
    PartialCredentialsError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
    SSOError,
    TokenRetrievalError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from lathe_steps.errors import Internal, Stopped
from lathe_steps.reasons import Reason
from lathe_worker.patience import MayPass, persist
from lathe_worker.s3 import refusals
from lathe_worker.s3.settings import S3Settings

Answer = TypeVar("Answer")

_FAULTS: Final = (ClientError, BotoCoreError, ResponseParserError, HTTPError)
_NO_CREDENTIALS: Final = (
    *(NoCredentialsError, PartialCredentialsError, CredentialRetrievalError),
    *(LoginError, SSOError, TokenRetrievalError),
)
_UNREACHED: Final = (
    *(EndpointConnectionError, ConnectTimeoutError),
    *(ProxyConnectionError, SSLError),
)
_BROKEN: Final = (
    *(BotoConnectionError, HTTPClientError, HTTPError),
    *(IncompleteReadError, ResponseParserError),
)
_WHY: Final[tuple[tuple[type[Exception], str], ...]] = (
    (ConnectTimeoutError, "no connection came about in time"),
    (EndpointConnectionError, "no connection comes about"),
    (ProxyConnectionError, "the proxy does not answer"),
    (SSLError, "no secure connection comes about"),
    (ReadTimeoutError, "it stopped sending"),
    (ResponseParserError, "what answers there is not S3"),
    (Exception, "it broke off"),
)


class Faults:
    """Knows an endpoint's faults: which end a run, and which may pass."""

    def __init__(self, settings: S3Settings) -> None:
        self._settings = settings
        self._answered = False

    def asked(self, uri: str, ask: Callable[[], Answer]) -> Answer:
        """Ask about `uri` until there is an answer, or patience ends."""

        def attempt() -> Answer:
            with self.named(uri):
                return ask()

        return persist(attempt)

    @contextmanager
    def named(self, uri: str) -> Iterator[None]:
        """Around one request about `uri`, or a part of one.

        Raises:
            Stopped: What cannot be helped.
            MayPass: What asking again may help.
        """
        try:
            yield
        except _FAULTS as error:
            raise self._fault(error, uri) from error
        self._answered = True

    @contextmanager
    def final(self, uri: str) -> Iterator[None]:
        """Around requests that botocore has repeated itself: all that it raises is Stopped."""
        try:
            with self.named(uri):
                yield
        except MayPass as failure:
            raise failure.stopped from failure.__cause__

    def may_pass(self, why: str) -> MayPass:
        """The endpoint gives no useful answer, because `why`."""
        stopped = refusals.unavailable(self._settings.address, why)
        return MayPass(stopped, self._settings.patience)

    def _fault(self, error: Exception, uri: str) -> Stopped | MayPass:
        endpoint = self._settings.address
        if isinstance(error, ClientError):
            return self._refused(error, uri)
        if isinstance(error, _NO_CREDENTIALS):
            return refusals.without_credentials(uri, endpoint)
        if isinstance(error, SSLError) and _is_distrust(error):
            return refusals.untrusted(endpoint)
        if not isinstance(error, _BROKEN):
            return Internal(f"{uri}: {error}", reason=Reason.INTERNAL_ERROR)
        why = next(why for kind, why in _WHY if isinstance(error, kind))
        first = isinstance(error, _UNREACHED) and not self._answered
        patience = self._settings.first_patience if first else self._settings.patience
        return MayPass(refusals.unavailable(endpoint, why), patience)

    def _refused(self, error: ClientError, uri: str) -> Stopped | MayPass:
        self._answered = True
        refusal = refusals.Refusal(
            status=error.response["ResponseMetadata"]["HTTPStatusCode"],
            code=error.response["Error"]["Code"],
            uri=uri,
            endpoint=self._settings.address,
        )
        stopped = refusals.meaning(refusal)
        passing = refusals.may_pass(refusal)
        return MayPass(stopped, self._settings.patience) if passing else stopped


def _is_distrust(error: SSLError) -> bool:
    """Whether a certificate was refused; other failures of TLS may pass."""
    cause = error.kwargs.get("error")
    reasons = getattr(cause, "args", ())
    return any(isinstance(reason, ssl.SSLCertVerificationError) for reason in (cause, *reasons))
