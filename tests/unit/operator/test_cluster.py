"""What an answer of the API server means, by its code and never by its words."""

from datetime import timedelta
from typing import Any

import pytest

from lathe_operator.cluster import failure_of
from lathe_operator.errors import Failure, Faulted, Gone, Rejected, Waiting

ANSWERS: dict[str, tuple[type[Failure], int]] = {
    "it is malformed": (Rejected, 400),
    "the token has expired": (Faulted, 401),
    "it is forbidden": (Rejected, 403),
    "it is not there": (Gone, 404),
    "the server took too long to read it": (Faulted, 408),
    "something else is there": (Rejected, 409),
    "it is too large": (Rejected, 413),
    "it is invalid": (Rejected, 422),
    "there are too many": (Faulted, 429),
    "the server broke": (Faulted, 500),
    "a proxy found no server": (Faulted, 502),
    "the server is not ready": (Faulted, 503),
    "a proxy waited too long": (Faulted, 504),
}


@pytest.mark.parametrize(("failure", "code"), ANSWERS.values(), ids=ANSWERS)
def test_an_answer(failure: type[Failure], code: int) -> None:
    assert type(failure_of(code, {}, None)) is failure


def test_only_a_conflict_is_a_conflict() -> None:
    conflicts = {
        code: answer.conflict
        for code in (400, 403, 409, 422)
        if isinstance(answer := failure_of(code, {}, None), Rejected)
    }

    assert conflicts == {400: False, 403: False, 409: True, 422: False}


PATIENCE: dict[str, tuple[dict[str, Any], str | None]] = {
    "in a header": ({}, "7"),
    "in the body": ({"details": {"retryAfterSeconds": 7}}, None),
}


@pytest.mark.parametrize("code", [429, 500, 503, 504])
@pytest.mark.parametrize(("body", "header"), PATIENCE.values(), ids=PATIENCE)
def test_a_server_that_says_when_is_heard(
    code: int, body: dict[str, Any], header: str | None
) -> None:
    answer = failure_of(code, body, header)

    assert isinstance(answer, Waiting)
    assert answer.after == timedelta(seconds=7)


def test_the_servers_words_are_kept() -> None:
    assert failure_of(403, {"message": "exceeded quota"}, None).message == "exceeded quota"
