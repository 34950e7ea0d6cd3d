"""Labels: read once, checked whole, and kept on disk in one type."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lathe_worker.data.columns import Column, Stored, Values
from lathe_worker.data.refusal import invalid, misshapen

_PIECE = 1 << 22
_MOST_ROWS = 4096
_MOST_AXES = 8
_POSITIONS = 2
"""Axes of labels with one class per position."""


def checked(column: Column, called: str, to: Path, positions: frozenset[int]) -> Stored:
    """Check labels, and write them again in one type.

    They become int64 classes of shape [samples] or [samples, positions], or float32 of any shape.

    Args:
        column: The labels as they are stored; an axis of size 1 after the sample is dropped.
        called: How messages name it.
        to: A new file.
        positions: Sizes of axes after the sample in the inputs. Integers with another number of
            positions and a single 1 in each row are one-hot, and refused.

    Raises:
        BadInput: InvalidDataset, when they are nothing like that, or no numbers.
    """
    shape: tuple[int, ...] = ()
    kind, one_hot = "", True
    with to.open("wb") as out:
        for values in _pieces(column, called):
            found = _classes_or_numbers(values, called)
            if kind and (found.shape[1:], found.dtype.kind) != (shape, kind):
                raise invalid(called, "holds labels of different types or shapes")
            shape, kind = found.shape[1:], found.dtype.kind
            one_hot = one_hot and _is_one_hot(found)
            out.write(found.tobytes())
    if one_hot and len(column) > 1 and shape[0] not in positions:
        raise invalid(called, "holds labels in one-hot: store the number of the class instead")
    dtype = np.dtype(np.float32 if kind == "f" else np.int64)
    return Stored(to, 0, dtype, (len(column), *shape), called)


def stacked(values: Values, column: Column, rows: np.ndarray) -> np.ndarray:
    """Values side by side.

    Raises:
        BadInput: ShapeMismatch, naming the first that is unlike the others.
    """
    if isinstance(values, np.ndarray):
        return values
    first = values[0]
    for row, value in zip(rows, values, strict=True):
        if (value.shape, value.dtype) != (first.shape, first.dtype):
            raise misshapen(
                column.place(int(row)),
                f"it is {_spelled(value)}, but a sample before it is {_spelled(first)}; make them "
                "alike by transforms, such as resize or pad",
            )
    return np.stack(values)


def _spelled(value: np.ndarray) -> str:
    return f"{value.dtype} of shape {list(value.shape)}"


def pieces(column: Column) -> Iterator[np.ndarray]:
    """Numbers of samples, few enough that their values fit into memory."""
    first: Sequence[np.ndarray] = list(column.take(np.arange(min(1, len(column)))))
    size = max((value.nbytes for value in first), default=1)
    step = max(1, min(_MOST_ROWS, _PIECE // max(1, size)))
    for start in range(0, len(column), step):
        yield np.arange(start, min(start + step, len(column)))


def _pieces(column: Column, called: str) -> Iterator[np.ndarray]:
    for rows in pieces(column):
        values = stacked(column.take(rows), column, rows)
        if values.ndim > _MOST_AXES:
            raise invalid(called, f"has {values.ndim} axes; up to {_MOST_AXES} are read")
        yield values


def _classes_or_numbers(values: np.ndarray, called: str) -> np.ndarray:
    if values.ndim > 1 and values.shape[1:] == (1,) * (values.ndim - 1):
        values = values.reshape(-1)
    if values.dtype.kind == "f":
        with np.errstate(over="ignore"):
            found = values.astype(np.float32)
        if not np.isfinite(found).all():
            raise invalid(called, "holds labels that are no finite numbers")
        return found
    if values.dtype.kind not in "iub" or not 0 < values.ndim <= _POSITIONS or not values[0].size:
        raise invalid(
            called,
            "labels are one integer per sample or position, or numbers with a fraction, but it "
            f"holds {values.dtype} of shape {['samples', *values.shape[1:]]}",
        )
    if values.dtype == np.uint64 and values.max() > np.iinfo(np.int64).max:
        raise invalid(called, "holds labels that are no classes: they are too large")
    return values.astype(np.int64)


def _is_one_hot(values: np.ndarray) -> bool:
    if values.ndim != _POSITIONS or values.dtype.kind != "i":
        return False
    ones: Any = values == 1
    return bool((ones.sum(axis=1) == 1).all() and ((values == 0) | ones).all())
