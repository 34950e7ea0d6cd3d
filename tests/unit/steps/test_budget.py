"""How many channels each group loses: arithmetic."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from lathe_steps.toolchains.networks.pruning.budget import Choice, Cost, Cut, left, reach

SCORES = st.lists(st.floats(0, 10, allow_nan=False, allow_subnormal=False), min_size=1, max_size=40)


def chain(*widths: int) -> list[Cost]:
    """Weights of layers in a row, with so many channels between them."""
    pairs = itertools.pairwise(widths)
    return [Cost(i * o, f"layer{n}", ("out", "in")) for n, (i, o) in enumerate(pairs)]


def between(n: int, scores: list[float], multiple: int = 1) -> Choice:
    """The channels between one layer and the next."""
    share = 1 / len(scores)
    cuts = (Cut(f"layer{n}", "out", share), Cut(f"layer{n + 1}", "in", share))
    return Choice(scores, multiple, cuts)


def test_half_of_the_channels_are_half_of_two_layers() -> None:
    costs, hidden = chain(10, 4, 10), between(0, [4.0, 3.0, 2.0, 1.0])

    assert left(costs, [hidden], [4]) == 80
    assert left(costs, [hidden], [2]) == 40


def test_channels_of_both_sides_count_twice() -> None:
    choices = [between(0, [1.0, 2.0]), between(1, [1.0, 2.0])]

    assert left(chain(1, 2, 2, 1), choices, [1, 1]) == 1 + 1 + 1


def test_the_least_important_go_first_wherever_they_are() -> None:
    choices = [between(0, [9.0, 8.0, 7.0, 6.0]), between(1, [1.0, 2.0, 3.0, 4.0])]

    assert reach(chain(8, 4, 4, 8), choices, 0.8 * 80)[0] == 4


KEPT = (
    # kept, of, doomed, multiple
    (8, 8, 0, 8),
    (8, 8, 5, 8),  # a single multiple is never removed
    (16, 20, 3, 8),
    (20, 20, 0, 8),  # an odd count stays while nothing goes
    (8, 16, 13, 8),
    (3, 5, 2, 1),
    (1, 5, 5, 1),
)


def test_counts_are_the_nearest_multiple_and_never_none() -> None:
    for kept, of, doomed, multiple in KEPT:
        assert Choice([0.0] * of, multiple, ()).kept(doomed) == kept


@given(SCORES, SCORES, st.integers(1, 8), st.floats(0.05, 1))
def test_the_target_is_reached_or_nothing_more_can_go(
    first: list[float], second: list[float], multiple: int, share: float
) -> None:
    costs = chain(7, len(first), len(second), 5)
    choices = [between(0, first, multiple), between(1, second, multiple)]
    target = share * left(costs, choices, [len(first), len(second)])

    kept = reach(costs, choices, target)

    least = [choice.kept(len(choice.scores)) for choice in choices]
    assert left(costs, choices, kept) <= target or list(kept) == least


@given(SCORES, st.floats(0.05, 1), st.floats(0.05, 1))
def test_a_lower_target_never_keeps_more(scores: list[float], one: float, other: float) -> None:
    costs, choices = chain(3, len(scores), 3), [between(0, scores)]
    whole = left(costs, choices, [len(scores)])

    low, high = sorted((one, other))

    assert reach(costs, choices, low * whole) <= reach(costs, choices, high * whole)
