"""How many channels each group loses so that a share of the cost is left: arithmetic alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Side = Literal["out", "in"]
"""Which dimension of a weight a group shortens: that of its outputs, or of its inputs."""


@dataclass(frozen=True, slots=True)
class Cost:
    """A tensor's share of the cost, which falls as its dimensions get shorter.

    Attributes:
        amount: Its cost now: elements, or operations.
        layer: The layer whose channels it has.
        sides: The dimensions on which it depends.
    """

    amount: float
    layer: str
    sides: tuple[Side, ...]


@dataclass(frozen=True, slots=True)
class Cut:
    """Which share of a layer's side one unit of a group is."""

    layer: str
    side: Side
    share: float


@dataclass(frozen=True, slots=True)
class Choice:
    """Channels that can only go together, and what goes with them.

    Attributes:
        scores: Importance of each unit; a unit is a channel, or one channel of every group of a
            grouped convolution.
        multiple: Units are kept in multiples of this.
        cuts: What each unit takes away.
    """

    scores: Sequence[float]
    multiple: int
    cuts: tuple[Cut, ...]

    def kept(self, doomed: int) -> int:
        """How many units stay when so many are to go: the nearest multiple, and never none."""
        units = len(self.scores)
        if not doomed or units <= self.multiple:
            return units
        nearest = round((units - doomed) / self.multiple) * self.multiple
        return units if nearest > units else max(nearest, self.multiple)


def left(costs: Sequence[Cost], choices: Sequence[Choice], kept: Sequence[int]) -> float:
    """The cost that is left when so many units of each choice stay."""
    gone: dict[tuple[str, Side], float] = {}
    for choice, stays in zip(choices, kept, strict=True):
        lost = len(choice.scores) - stays
        for cut in choice.cuts if lost else ():
            key = (cut.layer, cut.side)
            gone[key] = gone.get(key, 0.0) + lost * cut.share
    return sum(_left_of(cost, gone) for cost in costs)


def _left_of(cost: Cost, gone: Mapping[tuple[str, Side], float]) -> float:
    amount = cost.amount
    for side in cost.sides:
        amount *= 1 - gone.get((cost.layer, side), 0.0)
    return amount


def reach(costs: Sequence[Cost], choices: Sequence[Choice], target: float) -> tuple[int, ...]:
    """Take the least important units until the cost is at the target or below it.

    Returns:
        How many units of each choice stay: as many as the target allows; or as few as possible,
        when even they cost more.
    """
    ranked = sorted((score, i) for i, choice in enumerate(choices) for score in choice.scores)

    def kept(count: int) -> tuple[int, ...]:
        doomed = [0] * len(choices)
        for _, i in ranked[:count]:
            doomed[i] += 1
        return tuple(choice.kept(n) for choice, n in zip(choices, doomed, strict=True))

    low, high = 0, len(ranked)
    while low < high:
        middle = (low + high) // 2
        if left(costs, choices, kept(middle)) <= target:
            high = middle
        else:
            low = middle + 1
    return kept(low)
