"""Counting requests to the API server, by the words of its audit log."""

import time
from types import TracebackType
from typing import Self

from lathe_operator import metrics

VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
NAMED = 2
"""Segments of a path that are a collection and a name in it."""


class Request:
    """One request: counted when the block ends, with the code that it was answered with."""

    def __init__(self, method: str, path: str) -> None:
        """Begin to count a request of that method to that path."""
        self._verb, self._resource = told(method, path)
        self._began = time.perf_counter()
        self.code: int | None = None
        """The answer's; None while there is none."""

    def __enter__(self) -> Self:
        """The request is on its way."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """It has been answered, or not."""
        code = "none" if self.code is None else str(self.code)
        metrics.API_REQUESTS.labels(self._verb, self._resource, code).inc()
        metrics.API_SECONDS.labels(self._verb).observe(time.perf_counter() - self._began)


def told(method: str, path: str) -> tuple[str, str]:
    """The verb and the resource of a request; names and namespaces are left out.

    >>> told("PATCH", "/apis/lathe.dev/v1alpha1/namespaces/a/modeloptimizations/b/status")
    ('patch', 'modeloptimizations/status')
    """
    segments = path.strip("/").split("/")
    within = segments[2 if segments[0] == "api" else 3 :]
    if within[:1] == ["namespaces"] and len(within) > NAMED:
        within = within[NAMED:]
    resource = "/".join(within[:1] + within[NAMED:]) or "discovery"
    reads = "get" if len(within) >= NAMED or not within else "list"
    return VERBS.get(method, reads), resource
