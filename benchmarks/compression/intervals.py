"""How sure a figure is: 95 % intervals of paired shares and of repeated ratios."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

_Z = 1.959964
_STUDENT = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
"""Student's 97.5 % quantile for 1, 2, … degrees of freedom; the last one also serves for more."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with the ends of its 95 % interval."""

    middle: float
    low: float
    high: float


def paired_drop(lost: int, gained: int, count: int) -> Interval:
    """How much the share of right answers fell, on the same samples before and after.

    Bonett and Price (2012): Wald's interval of paired shares with one more of each disagreement,
    which holds its level for rare disagreements too.

    Args:
        lost: Samples that were right before only.
        gained: Samples that are right after only.
        count: All samples.
    """
    share_lost, share_gained = (lost + 1) / (count + 2), (gained + 1) / (count + 2)
    middle = share_lost - share_gained
    spread = share_lost + share_gained - middle**2
    reach = _Z * math.sqrt(spread / (count + 2))
    return Interval((lost - gained) / count, middle - reach, middle + reach)


def repeated_ratio(ratios: Sequence[float]) -> Interval:
    """The geometric mean of ratios, with Student's interval on their logarithms.

    A single ratio has no interval: its ends are no numbers.
    """
    logs = [math.log(ratio) for ratio in ratios]
    middle = statistics.fmean(logs)
    if len(logs) == 1:
        return Interval(ratios[0], math.nan, math.nan)
    reach = _reach(logs)
    return Interval(math.exp(middle), math.exp(middle - reach), math.exp(middle + reach))


def repeated_mean(values: Sequence[float]) -> Interval:
    """The mean with Student's interval; a single value has none."""
    middle = statistics.fmean(values)
    if len(values) == 1:
        return Interval(middle, math.nan, math.nan)
    reach = _reach(values)
    return Interval(middle, middle - reach, middle + reach)


def _reach(values: Sequence[float]) -> float:
    """Half the width of Student's interval of a mean."""
    quantile = _STUDENT[min(len(values) - 1, len(_STUDENT)) - 1]
    return quantile * statistics.stdev(values) / math.sqrt(len(values))
