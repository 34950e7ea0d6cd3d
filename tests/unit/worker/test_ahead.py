"""What is made ahead comes in order, is bounded, and ends with who asked for it."""

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lathe_worker.data.ahead import ahead


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers()), st.integers(1, 4), st.integers(0, 5))
def test_everything_comes_in_order(parts: list[int], threads: int, depth: int) -> None:
    found = list(ahead(lambda part: part + 1, parts, threads=threads, depth=depth))

    assert found == [part + 1 for part in parts]


def test_no_more_is_made_ahead_than_was_asked_for() -> None:
    begun: list[int] = []

    def parts() -> Iterator[int]:
        for part in range(100):
            begun.append(part)
            yield part

    made = ahead(lambda part: part, parts(), threads=2, depth=3)
    next(made)

    assert begun == [0, 1, 2, 3]


def test_a_failure_comes_where_its_result_would_be() -> None:
    made = ahead(lambda part: 1 // part, [1, 1, 0, 1], threads=2, depth=2)

    assert [next(made), next(made)] == [1, 1]
    with pytest.raises(ZeroDivisionError):
        next(made)


def test_nothing_goes_on_after_who_stops_early() -> None:
    go, made = threading.Event(), list[int]()

    def make(part: int) -> int:
        if part:
            go.wait(10)
        made.append(part)
        return part

    results = ahead(make, range(100), threads=1, depth=50)
    next(results)
    go.set()
    results.close()

    assert len(made) < 100
    assert not [it for it in threading.enumerate() if it.name.startswith("samples")]
