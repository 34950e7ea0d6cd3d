"""From figures to places on a drawing, and the round figures that a drawing is labelled with."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_ROOM = 0.12
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Scale:
    """A straight scale, or one of powers of ten, on which low and high are the edges.

    Attributes:
        low: The figure at the start.
        high: The figure at the end; above low.
        logarithmic: Whether equal factors have equal distances; low is above 0 then.
    """

    low: float
    high: float
    logarithmic: bool = False

    @classmethod
    def around(cls, *figures: float, room: float = _ROOM) -> "Scale":
        """A scale on which all figures have some room on both sides."""
        low, high = min(figures), max(figures)
        space = (high - low) * room or abs(high) * room or 1.0
        return cls(low - space, high + space)

    @classmethod
    def from_zero(cls, figures: Iterable[float]) -> "Scale":
        """A scale for bars: from nothing to the largest figure."""
        return cls(0.0, max((figure for figure in figures if figure > 0), default=1.0))

    def share(self, figure: float) -> float:
        """The place of a figure, from 0 at the start to 1 at the end; figures beyond are there."""
        low, high, at = self.low, self.high, figure
        if self.logarithmic:
            low, high, at = math.log(low), math.log(high), math.log(max(at, low))
        return min(max((at - low) / (high - low), 0.0), 1.0)

    def ticks(self, most: int = 4) -> tuple[float, ...]:
        """Round figures on the scale, at most so many, in order."""
        found = tuple(self._powers() if self.logarithmic else self._multiples(most))
        while len(found) > most:
            found = found[::2]
        return found

    def _multiples(self, most: int) -> Iterator[float]:
        rough = (self.high - self.low) / most
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * factor for factor in _STEPS if power * factor >= rough * (1 - 1e-9))
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        return (index * step for index in range(first, last + 1))

    def _powers(self) -> Iterator[float]:
        first = math.ceil(math.log10(self.low) - 1e-9)
        last = math.floor(math.log10(self.high) + 1e-9)
        return (10.0**exponent for exponent in range(first, last + 1))
