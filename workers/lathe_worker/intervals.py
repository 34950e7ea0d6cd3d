"""How sure a measurement is: 95 % intervals of what is compared on the same samples."""

import itertools
import math
import statistics
from collections.abc import Iterator, Sequence
from typing import NamedTuple

Z = statistics.NormalDist().inv_cdf(0.975)
"""Standard deviations to each side that hold 95 % of a normal distribution."""
_EACH_END = 0.025
_MOST_BLOCKS = 50
_CALLS_PER_BLOCK = 4


class Interval(NamedTuple):
    """Both ends of a 95 % interval."""

    low: float
    high: float


def paired_difference(gained: int, lost: int, samples: int) -> Interval:
    """Interval of the difference of two shares that were counted on the same samples.

    Bonett and Price's adjusted Wald interval (2012), which Fagerland, Lydersen and Laake (2014)
    recommend: it keeps its level with few samples, and has a width where nothing differs.

    Args:
        gained: Samples that only the second model has right.
        lost: Samples that only the first model has right.
        samples: How many there are, at least one.
    """
    total = samples + 2
    up, down = (gained + 1) / total, (lost + 1) / total
    half = Z * math.sqrt((up + down - (up - down) ** 2) / total)
    return Interval(max(up - down - half, -1.0), min(up - down + half, 1.0))


def share(successes: float, samples: int) -> Interval:
    """Interval of one share: Wilson's score interval (1927)."""
    p, correction = successes / samples, Z**2 / samples
    middle = (p + correction / 2) / (1 + correction)
    half = Z * math.sqrt(p * (1 - p) / samples + correction / (4 * samples)) / (1 + correction)
    return Interval(max(middle - half, 0.0), min(middle + half, 1.0))


def median(values: Sequence[float]) -> Interval:
    """Interval of a median by order statistics: exact, whatever the distribution.

    With fewer than six values no two of them are 95 % sure; then it is their range.
    """
    ordered = sorted(values)
    rank = _rank(len(ordered))
    return Interval(ordered[rank], ordered[-1 - rank])


def ratio_of_medians(of: Sequence[float], to: Sequence[float]) -> Interval:
    """Interval of median(of) / median(to), for times that were taken in turns.

    Times of neighbouring calls are alike, so that each median's interval is made of the medians
    of blocks of calls; both are put together on the logarithms (Donner and Zou's MOVER, 2012).
    """
    log_of, log_to = math.log(statistics.median(of)), math.log(statistics.median(to))
    low_of, high_of = _logs(of, log_of)
    low_to, high_to = _logs(to, log_to)
    ratio = log_of - log_to
    return Interval(
        math.exp(ratio - math.hypot(log_of - low_of, high_to - log_to)),
        math.exp(ratio + math.hypot(high_of - log_of, log_to - low_to)),
    )


def quantile(values: Sequence[float], share: float) -> Interval:
    """Interval of a quantile by order statistics, for values that do not depend on each other.

    Where there are too few values for one of the ends, that end is the last value there is.
    """
    ordered = sorted(values)
    below = list(itertools.accumulate(_binomial(len(ordered), share)))
    low = max(sum(1 for probability in below if probability <= _EACH_END) - 1, 0)
    high = sum(1 for probability in below if probability < 1 - _EACH_END)
    return Interval(ordered[low], ordered[min(high, len(ordered) - 1)])


def ratio_of_quantiles(of: Sequence[float], to: Sequence[float], share: float) -> Interval:
    """Interval of the ratio of a quantile of one list of times to that of another.

    Both intervals are put together as in `ratio_of_medians`. Neighbouring calls count as if they
    were not alike, since a tail has no blocks: it is the least that one is unsure of.
    """
    ends = [quantile(of, share), quantile(to, share)]
    middles = [
        sorted(values)[min(int(share * len(values)), len(values) - 1)] for values in (of, to)
    ]
    (low_of, high_of), (low_to, high_to) = ([math.log(end) for end in pair] for pair in ends)
    log_of, log_to = (math.log(middle) for middle in middles)
    ratio = log_of - log_to
    return Interval(
        math.exp(ratio - math.hypot(log_of - low_of, high_to - log_to)),
        math.exp(ratio + math.hypot(high_of - log_of, log_to - low_to)),
    )


def _binomial(count: int, share: float) -> Iterator[float]:
    """The probability of 0, 1, 2, … successes."""
    logs = math.log(share), math.log1p(-share)
    whole = math.lgamma(count + 1)
    for k in range(count + 1):
        ways = whole - math.lgamma(k + 1) - math.lgamma(count - k + 1)
        yield math.exp(ways + k * logs[0] + (count - k) * logs[1])


def _logs(times: Sequence[float], middle: float) -> Interval:
    """Interval of the logarithm of a median, `middle` included."""
    blocks = max(min(_MOST_BLOCKS, len(times) // _CALLS_PER_BLOCK), 1)
    edges = [i * len(times) // blocks for i in range(blocks + 1)]
    medians = [statistics.median(times[a:b]) for a, b in itertools.pairwise(edges)]
    found = median(medians)
    return Interval(min(math.log(found.low), middle), max(math.log(found.high), middle))


def _rank(count: int) -> int:
    """How many values are left out at each end so that the median is inside at 95 %."""
    outside = itertools.accumulate(math.comb(count, below) / 2**count for below in range(count))
    enough = itertools.takewhile(lambda probability: probability <= _EACH_END, outside)
    return max(sum(1 for _ in enough) - 1, 0)
