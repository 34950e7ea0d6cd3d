"""How sure a figure is: 95 % intervals of paired shares and of repeated ratios."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import stats

_Z = 1.959964


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
    reach = float(stats.t.ppf(0.975, len(logs) - 1))
    reach *= statistics.stdev(logs) / math.sqrt(len(logs))
    return Interval(math.exp(middle), math.exp(middle - reach), math.exp(middle + reach))


def repeated_mean(values: Sequence[float]) -> Interval:
    """The mean with Student's interval; a single value has none."""
    middle = statistics.fmean(values)
    if len(values) == 1:
        return Interval(middle, math.nan, math.nan)
    reach = float(stats.t.ppf(0.975, len(values) - 1))
    reach *= statistics.stdev(values) / math.sqrt(len(values))
    return Interval(middle, middle - reach, middle + reach)
