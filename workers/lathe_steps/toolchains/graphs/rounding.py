"""Rounding to few bits, in numbers: what quantising a weight does to it."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Grid:
    """Whole numbers that values are rounded to.

    Attributes:
        least: The smallest.
        most: The largest.
        symmetric: Whether zero is in the middle of the values' range.
    """

    least: int
    most: int
    symmetric: bool


def grid(bits: int, *, signed: bool, symmetric: bool) -> Grid:
    """The grid of a type; a symmetric signed one leaves its lowest number out."""
    half = 2 ** (bits - 1)
    if signed:
        return Grid(-half + symmetric, half - 1, symmetric)
    return Grid(0, 2 * half - 1, symmetric)


def steps(low: np.ndarray, high: np.ndarray, onto: Grid) -> tuple[np.ndarray, np.ndarray]:
    """The distance of neighbouring values, and the number that stands for zero.

    Args:
        low: Lowest values, each with a scale of its own.
        high: Highest values, of the same shape.
        onto: The grid.
    """
    low, high = np.minimum(low, 0), np.maximum(high, 0)
    levels = onto.most - onto.least
    if onto.symmetric:
        scale = 2 * np.maximum(-low, high) / levels
        zero = np.full(scale.shape, (onto.most + onto.least + 1) // 2)
    else:
        scale = (high - low) / levels
        zero = np.rint(onto.least - low / np.where(scale > 0, scale, 1))
    scale = np.where(scale > 0, scale, 1).astype(np.float32)
    return scale, zero.astype(np.int64)


def rounded(values: np.ndarray, onto: Grid, axes: tuple[int, ...] | None = None) -> np.ndarray:
    """What values become, with a scale for each place on the axes that are not named.

    Args:
        values: Of any shape.
        onto: The grid.
        axes: Axes that share a scale; None for one scale in all.
    """
    low, high = values.min(axis=axes, keepdims=True), values.max(axis=axes, keepdims=True)
    scale, zero = steps(low, high, onto)
    whole = np.clip(np.rint(values / scale) + zero, onto.least, onto.most)
    found: np.ndarray = ((whole - zero) * scale).astype(values.dtype)
    return found


def in_blocks(
    weight: np.ndarray, size: int, onto: Grid
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Round a matrix with a scale for every block of rows in each column.

    Args:
        weight: Of shape [rows, columns]; the last block may be smaller.
        size: Rows per block.
        onto: The grid.

    Returns:
        Whole numbers of shape [blocks, size, columns], scales and zeros of shape [blocks, columns].
    """
    rows, columns = weight.shape
    blocks = -(-rows // size)
    padded = np.zeros((blocks * size, columns), np.float32)
    padded[:rows] = weight
    parts = padded.reshape(blocks, size, columns)
    scale, zero = steps(parts.min(axis=1), parts.max(axis=1), onto)
    whole = np.rint(parts / scale[:, None]) + zero[:, None]
    return np.clip(whole, onto.least, onto.most).astype(np.int64), scale, zero
