"""How long storage may fail: pauses grow, progress renews, and the end is what was foreseen."""

import pytest

from lathe_steps.errors import BadInput, Transient
from lathe_worker.patience import MayPass, Patience, persist

OUTAGE = Transient("storage does not answer; wait")


class Clock:
    """Time that passes only by waiting, or when it is said to."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.pauses: list[float] = []

    def now(self) -> float:
        return self.time

    def wait(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.time += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.mark.parametrize(
    ("pauses", "chance"),
    [
        pytest.param([0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 4.0], 0.0, id="half of it is always waited"),
        pytest.param([0.1875, 0.375, 0.75, 1.5, 3.0, 6.0, 6.0], 0.5, id="the rest is chance"),
    ],
)
def test_pauses_double_up_to_the_longest(pauses: list[float], chance: float) -> None:
    patience = Patience(first_pause=0.25, longest_pause=8.0)

    assert [patience.pause(failures, chance) for failures in range(1, 8)] == pauses


def test_very_many_failures_are_no_overflow() -> None:
    assert Patience().pause(1000, 0.0) == Patience().longest_pause / 2


def test_an_answer_after_failures_is_the_answer(clock: Clock) -> None:
    failures = iter([MayPass(OUTAGE, Patience()), MayPass(OUTAGE, Patience())])

    def attempt() -> str:
        for failure in failures:
            raise failure
        return "answer"

    assert persist(attempt, wait=clock.wait, now=clock.now) == "answer"
    assert len(clock.pauses) == 2


def test_an_outage_of_half_a_minute_is_survived_and_a_lasting_one_ends_within_the_patience(
    clock: Clock,
) -> None:
    began = clock.time

    def until(end: float) -> None:
        if clock.time < end:
            raise MayPass(OUTAGE, Patience())

    persist(lambda: until(began + 30), wait=clock.wait, now=clock.now)
    assert clock.time - began < 40

    began = clock.time
    with pytest.raises(Transient) as stopped:
        persist(lambda: until(began + 1e9), wait=clock.wait, now=clock.now)
    assert stopped.value is OUTAGE
    assert 50 < clock.time - began <= 60


def test_progress_renews_the_patience(clock: Clock) -> None:
    reached = 0

    def attempt() -> int:
        nonlocal reached
        clock.time += 50
        reached += 1
        if reached < 20:
            raise MayPass(OUTAGE, Patience())
        return reached

    assert persist(attempt, reached=lambda: reached, wait=clock.wait, now=clock.now) == 20


def test_what_cannot_pass_goes_through_at_once(clock: Clock) -> None:
    def attempt() -> None:
        raise BadInput("the model is no model; mend it")

    with pytest.raises(BadInput):
        persist(attempt, wait=clock.wait, now=clock.now)
    assert clock.pauses == []
