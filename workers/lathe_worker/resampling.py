"""How sure a difference is that has no formula: a paired bootstrap, the same in every run.

Samples are drawn with replacement, whole: what belongs to one sample, such as the positions of a
sentence, stays together, and so do the answers of both models to it (Efron and Tibshirani 1993,
sections 8 and 13; percentile interval).
"""

from collections.abc import Callable, Iterator

import numpy as np

from lathe_worker.intervals import Interval

RESAMPLES = 1000
SEED = 20240229
_AT_A_TIME = 1 << 22
"""Most weights that are held at a time."""

Statistic = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""From sums of columns, of shape [..., columns] for each of two models, to a difference [...]."""


def weights(samples: int, resamples: int = RESAMPLES) -> Iterator[np.ndarray]:
    """How often each sample was drawn, as arrays [some resamples, samples] of float64.

    They are the same each time, so that what is summed in parts belongs together.
    """
    chance = np.random.default_rng(SEED)
    step = max(_AT_A_TIME // samples, 1)
    for start in range(0, resamples, step):
        count = min(step, resamples - start)
        drawn = chance.integers(0, samples, (count, samples))
        drawn += np.arange(count)[:, None] * samples
        found = np.bincount(drawn.ravel(), minlength=count * samples)
        yield found.reshape(count, samples).astype(np.float64)


def sums(columns: np.ndarray, resamples: int = RESAMPLES) -> np.ndarray:
    """Sums of columns [samples, columns] in every resample: [resamples, columns]."""
    return np.concatenate([drawn @ columns for drawn in weights(len(columns), resamples)])


def difference(before: np.ndarray, after: np.ndarray, statistic: Statistic) -> Interval:
    """95 % interval of a difference between two models on the same samples.

    Args:
        before: What is summed over samples for the first model, [samples, columns].
        after: The same for the second model, sample by sample.
        statistic: Makes the difference of both models' sums.
    """
    both = sums(np.concatenate([before, after], axis=1))
    return ends(statistic(both[:, : before.shape[1]], both[:, before.shape[1] :]))


def ends(values: np.ndarray) -> Interval:
    """Where the middle 95 % of resampled values begin and end."""
    low, high = np.quantile(values, [0.025, 0.975])
    return Interval(float(low), float(high))
