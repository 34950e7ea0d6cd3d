"""Carrying out the transforms of a data set, sample by sample."""

from collections.abc import Sequence
from functools import singledispatch
from typing import Any

import numpy as np

from lathe_api.v1alpha1.transforms import (
    Cast,
    CenterCrop,
    Grayscale,
    Normalize,
    Pad,
    Resize,
    ToChannelsFirst,
    ToFloat,
    Transform,
    Transpose,
)
from lathe_steps.base import Parameters

_IMAGE_AXES = (2, 3)
_COLOURS = 3
_LUMA = np.array([19595, 38470, 7471], np.uint32)
"""ITU-R 601 as Pillow has it: weights in 65536ths, of which the sum is rounded to the nearest."""


class Unfit(ValueError):  # noqa: N818 - named by what it says
    """A sample cannot be changed like that; the message says why."""


def changed(value: np.ndarray, transforms: Sequence[Transform]) -> np.ndarray:
    """Apply transforms in their order.

    Raises:
        Unfit: Naming the transform, and what it does not take.
    """
    for transform in transforms:
        try:
            value = _change(transform.change, value)
        except Unfit as error:
            shape = list(value.shape)
            raise Unfit(f"{transform.kind} {error}, not {value.dtype} of shape {shape}") from error
    return value


@singledispatch
def _change(change: Parameters, value: np.ndarray) -> np.ndarray:
    raise NotImplementedError(type(change).__name__)


@_change.register
def _(change: Resize, value: np.ndarray) -> np.ndarray:
    height, width = _sides(value)
    if change.size:
        rows, columns = change.size
    else:
        shorter = change.shorter or 0
        rows = shorter * height // min(height, width)
        columns = shorter * width // min(height, width)
    if value.dtype not in (np.uint8, np.float32):
        raise Unfit("takes uint8 or float32")
    if (rows, columns) == (height, width):
        return value
    return _resized(value, rows, columns, change.interpolation)


def _resized(value: np.ndarray, rows: int, columns: int, interpolation: str) -> np.ndarray:
    from PIL import Image  # noqa: PLC0415 - only for this transform

    if max(rows, columns) > _MOST_SIDE:
        raise Unfit(f"makes an image of {rows} x {columns}: it takes images nearer to a square")
    resample = Image.Resampling[interpolation.upper()]

    def plane(channel: np.ndarray) -> np.ndarray:
        image = Image.fromarray(np.ascontiguousarray(channel))
        return np.asarray(image.resize((columns, rows), resample))

    if value.ndim == _IMAGE_AXES[0]:
        return plane(value)
    if value.shape[2] == _COLOURS and value.dtype == np.uint8:
        return plane(value)
    return np.stack([plane(value[:, :, i]) for i in range(value.shape[2])], axis=-1)


_MOST_SIDE = 65536


@_change.register
def _(change: CenterCrop, value: np.ndarray) -> np.ndarray:
    height, width = _sides(value)
    rows, columns = change.size
    if rows > height or columns > width:
        raise Unfit(f"takes images of at least {rows} x {columns}")
    top, left = round((height - rows) / 2), round((width - columns) / 2)
    return value[top : top + rows, left : left + columns]


@_change.register
def _(change: Pad, value: np.ndarray) -> np.ndarray:
    axes = len(change.size)
    rests = [size - had for size, had in zip(change.size, value.shape, strict=False)]
    if value.ndim < axes or min(rests) < 0:
        raise Unfit(f"takes arrays whose first axes are at most {list(change.size)}")
    if value.dtype.kind in "iu" and not _fits(np.array(change.value), value.dtype):
        raise Unfit(f"cannot fill in {change.value:g}: it takes types that have this value")
    before = [rest // 2 if change.position == "Center" else 0 for rest in rests]
    around = [(start, rest - start) for start, rest in zip(before, rests, strict=True)]
    around += [(0, 0)] * (value.ndim - axes)
    return np.pad(value, around, constant_values=value.dtype.type(change.value))


@_change.register
def _(_: ToFloat, value: np.ndarray) -> np.ndarray:
    if value.dtype not in (np.uint8, np.uint16):
        raise Unfit("takes uint8 or uint16")
    return value.astype(np.float32) / np.float32(np.iinfo(value.dtype).max)


@_change.register
def _(change: Normalize, value: np.ndarray) -> np.ndarray:
    if value.dtype.kind != "f":
        raise Unfit("takes fractions (put toFloat or cast before it)")
    axis = 0 if change.channels == "First" else -1
    count = len(change.mean)
    if not value.ndim or (count > 1 and value.shape[axis] != count):
        raise Unfit(f"with channels: {change.channels} takes {count} channels")
    shape = [1] * value.ndim
    shape[axis] = count
    mean = np.array(change.mean, np.float32).reshape(shape)
    std = np.array(change.std, np.float32).reshape(shape)
    return (value.astype(np.float32) - mean) / std


@_change.register
def _(change: Transpose, value: np.ndarray) -> np.ndarray:
    if value.ndim != len(change.order):
        raise Unfit(f"takes {len(change.order)} axes")
    return value.transpose(change.order)


@_change.register
def _(_: ToChannelsFirst, value: np.ndarray) -> np.ndarray:
    _sides(value)
    return value[None] if value.ndim == _IMAGE_AXES[0] else value.transpose(2, 0, 1)


@_change.register
def _(_: Grayscale, value: np.ndarray) -> np.ndarray:
    if value.dtype != np.uint8 or value.ndim != _IMAGE_AXES[1] or value.shape[2] != _COLOURS:
        raise Unfit("takes uint8 of shape [height, width, 3]")
    luma = (value.astype(np.uint32) @ _LUMA + 0x8000) >> 16
    return luma.astype(np.uint8)[:, :, None]


@_change.register
def _(change: Cast, value: np.ndarray) -> np.ndarray:
    dtype = np.dtype(change.dtype)
    if dtype.kind in "iu" and not _fits(np.trunc(value), dtype):
        raise Unfit(f"to {change.dtype} takes only values that it has")
    with np.errstate(over="ignore"):
        return value.astype(dtype)


def _fits(values: np.ndarray, dtype: np.dtype[Any]) -> bool:
    """Whether a type of integers has all of these values."""
    if not values.size or values.dtype == dtype:
        return True
    info = np.iinfo(dtype)
    least, most = values.min(), values.max()
    if values.dtype.kind == "f":
        # 2**63 - 1 is no float: what is compared is the power of two above it
        whole = bool(np.isfinite(values).all()) and bool((values == np.trunc(values)).all())
        return whole and float(info.min) <= least and most < float(info.max) + 1
    return int(info.min) <= int(least) and int(most) <= int(info.max)


def _sides(value: np.ndarray) -> tuple[int, int]:
    """Height and width of an image."""
    if value.ndim not in _IMAGE_AXES or not value.size:
        raise Unfit("takes images of shape [height, width] or [height, width, channels]")
    return value.shape[0], value.shape[1]
