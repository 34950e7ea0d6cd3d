"""How far the outputs of two models are apart."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

_TINY = float(np.finfo(np.float32).tiny)


class Difference(NamedTuple):
    """The largest difference between two sets of outputs.

    Attributes:
        output: The output in which it is.
        relative: The difference over the output's largest value; infinite where shapes or the
            places of NaN and infinity differ.
    """

    output: str
    relative: float


def largest_difference(
    expected: Mapping[str, np.ndarray], found: Mapping[str, np.ndarray]
) -> Difference:
    """Compare outputs by name."""
    if expected.keys() != found.keys():
        return Difference(", ".join(sorted(expected.keys() ^ found.keys())), float("inf"))
    each = [Difference(name, _relative(expected[name], found[name])) for name in expected]
    return max(each, key=lambda it: it.relative)


def _relative(expected: np.ndarray, found: np.ndarray) -> float:
    if expected.shape != found.shape:
        return float("inf")
    a, b = expected.astype(np.float64), found.astype(np.float64)
    finite = np.isfinite(a)
    if not np.array_equal(finite, np.isfinite(b)):
        return float("inf")
    a, b = a[finite], b[finite]
    if not a.size:
        return 0.0
    scale = max(float(np.abs(a).max()), _TINY)
    return float(np.abs(a - b).max()) / scale
