"""Inputs to try a model with: repeatable random values, of sizes that it is likely to take."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np

    from lathe_steps.base import TensorSpec

_BATCH = 2
"""Size of a dynamic first axis: not 1, which exporters take for a constant."""
_SIZES = (64, 224, 299, 32, 16, 8)
"""Sizes to try for other dynamic axes; small ones are cheap, some networks need large ones."""


def batch_axes(inputs: Sequence[TensorSpec]) -> frozenset[str]:
    """Names of the dynamic first axes."""
    return frozenset(s.shape[0] for s in inputs if s.shape and isinstance(s.shape[0], str))


def sizes_to_try(inputs: Sequence[TensorSpec]) -> Iterator[dict[str, int]]:
    """Sizes of all dynamic axes by name, the most usual first; once where there is no choice."""
    first = batch_axes(inputs)
    rest = {axis for s in inputs for axis in s.shape if isinstance(axis, str)} - first
    for size in _SIZES if rest else _SIZES[:1]:
        yield {**dict.fromkeys(sorted(first), _BATCH), **dict.fromkeys(sorted(rest), size)}


def random_arrays(
    inputs: Sequence[TensorSpec], sizes: Mapping[str, int], *, seed: int = 0
) -> dict[str, np.ndarray]:
    """Repeatable inputs: normal floats, and integers and booleans that are 0 or 1.

    Args:
        inputs: What the model takes.
        sizes: Size of every dynamic axis.
        seed: Makes other values of the same shapes.
    """
    import numpy as np

    generator = np.random.default_rng(seed)
    made = {}
    for spec in inputs:
        shape = [axis if isinstance(axis, int) else sizes[axis] for axis in spec.shape]
        if "float" in spec.dtype:
            made[spec.name] = generator.standard_normal(shape, dtype=np.float32).astype(spec.dtype)
        else:
            made[spec.name] = generator.integers(0, 2, shape).astype(spec.dtype)
    return made
