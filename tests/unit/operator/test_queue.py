"""The queue: each resource once at a time, failures later and later, and nothing forgotten."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lathe_operator.errors import Faulted, Waiting
from lathe_operator.queue import Backoff, Queue
from lathe_operator.values import Ref
from tests.virtual_time import in_virtual_time

A, B, C = (Ref("team", name) for name in "abc")
SECOND = timedelta(seconds=1)

Answer = timedelta | None | Exception


class Looker:
    """Looks take a second; what they say is given in advance, and afterwards nothing."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.looks: list[tuple[float, Ref]] = []
        self.at_once: dict[Ref, int] = {}
        self.most_at_once: dict[Ref | None, int] = {}

    async def look(self, ref: Ref) -> timedelta | None:
        self.looks.append((asyncio.get_running_loop().time(), ref))
        self.at_once[ref] = self.at_once.get(ref, 0) + 1
        for key, count in ((ref, self.at_once[ref]), (None, sum(self.at_once.values()))):
            self.most_at_once[key] = max(self.most_at_once.get(key, 0), count)
        await asyncio.sleep(1)
        self.at_once[ref] -= 1
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def times(self) -> list[float]:
        return [time for time, _ in self.looks]


def run(
    looker: Looker,
    story: Callable[[Queue], Awaitable[None]],
    *,
    seconds: float = 1000,
    workers: int = 4,
) -> None:
    """Run a queue for so long, and tell it a story meanwhile."""

    async def running() -> None:
        queue = Queue(looker.look, backoff=Backoff(SECOND, 60 * SECOND, jitter=lambda: 0.0))
        task = asyncio.create_task(queue.run(workers))
        await story(queue)
        await asyncio.sleep(seconds)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    in_virtual_time(running())


def test_what_is_added_often_is_looked_at_once() -> None:
    looker = Looker()

    async def story(queue: Queue) -> None:
        for ref in (A, B, A, A, B):
            queue.add(ref)
        assert len(queue) == 2

    run(looker, story)

    assert [ref for _, ref in looker.looks] == [A, B]


def test_what_is_added_during_its_look_is_looked_at_again_afterwards() -> None:
    looker = Looker()

    async def story(queue: Queue) -> None:
        queue.add(A)
        await asyncio.sleep(0.5)
        queue.add(A)
        queue.add(A)

    run(looker, story)

    assert looker.times == [0, 1]
    assert looker.most_at_once[A] == 1


def test_many_are_looked_at_at_once_but_no_more_than_there_are_workers() -> None:
    looker = Looker()

    async def story(queue: Queue) -> None:
        for number in range(10):
            queue.add(Ref("team", str(number)))

    run(looker, story, workers=3)

    assert len(looker.looks) == 10
    assert looker.most_at_once[None] == 3


def test_a_look_says_when_the_next_is_due() -> None:
    looker = Looker(10 * SECOND)

    async def story(queue: Queue) -> None:
        queue.add(A)

    run(looker, story)

    assert looker.times == [0, 11]


def test_a_later_word_on_when_replaces_the_earlier() -> None:
    looker = Looker(10 * SECOND, None)

    async def story(queue: Queue) -> None:
        queue.add(A)
        await asyncio.sleep(5)
        queue.add(A)

    run(looker, story)

    assert looker.times == [0, 5]


def test_failures_in_a_row_are_repeated_later_and_later() -> None:
    looker = Looker(*[Faulted("broken")] * 4, None, Faulted("again"))

    async def story(queue: Queue) -> None:
        queue.add(A)
        await asyncio.sleep(100)
        queue.add(A)

    run(looker, story)

    assert looker.times == [0, 2, 5, 10, 19, 100, 102]


def test_waiting_is_no_failure() -> None:
    looker = Looker(*[Waiting("too early", after=5 * SECOND)] * 3)

    async def story(queue: Queue) -> None:
        queue.add(A)

    run(looker, story)

    assert looker.times == [0, 6, 12, 18]


def test_a_defect_about_one_resource_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    looker = Looker(KeyError("a defect"))

    async def story(queue: Queue) -> None:
        for ref in (A, B, C):
            queue.add(ref)

    run(looker, story, workers=1)

    assert [ref for _, ref in looker.looks] == [A, B, A, C] or len(looker.looks) == 4
    assert "cannot be looked at" in caplog.text


@given(st.integers(1, 1000), st.floats(0, 1, exclude_max=True))
def test_a_backoff_is_between_a_half_and_the_whole_and_ends_somewhere(
    failures: int, jitter: float
) -> None:
    whole = Backoff(SECOND, 60 * SECOND, jitter=lambda: 0.0).after(failures)
    delay = Backoff(SECOND, 60 * SECOND, jitter=lambda: jitter).after(failures)

    assert whole / 2 <= delay <= whole <= 60 * SECOND
