"""The vocabulary of transforms: what each makes of a sample, and what it does not take."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from lathe_api.v1alpha1.transforms import Transform
from lathe_worker.data.transforms import Unfit, changed

RGB = np.random.default_rng(0).integers(0, 256, (7, 10, 3)).astype(np.uint8)
GREY = RGB[:, :, :1]
FLOATS = RGB.astype(np.float32) / 255


def done(value: np.ndarray, *transforms: dict[str, Any]) -> np.ndarray:
    return changed(value, [Transform.model_validate(each) for each in transforms])


SHAPES = {
    "a size, whatever it was": ({"resize": {"size": [3, 20]}}, RGB, (3, 20, 3)),
    "the shorter side, and the other in proportion": ({"resize": {"shorter": 5}}, RGB, (5, 7, 3)),
    "a size of one channel": ({"resize": {"size": [3, 4]}}, GREY, (3, 4, 1)),
    "a size without channels": ({"resize": {"size": [3, 4]}}, GREY[:, :, 0], (3, 4)),
    "a size of fractions": ({"resize": {"size": [3, 4]}}, FLOATS, (3, 4, 3)),
    "the middle": ({"centerCrop": {"size": [3, 4]}}, RGB, (3, 4, 3)),
    "a larger image": ({"pad": {"size": [8, 12]}}, RGB, (8, 12, 3)),
    "longer tokens": ({"pad": {"size": [9]}}, np.arange(4), (9,)),
    "another order": ({"transpose": {"order": [1, 2, 0]}}, RGB, (10, 3, 7)),
    "channels before": ({"toChannelsFirst": {}}, RGB, (3, 7, 10)),
    "a channel": ({"toChannelsFirst": {}}, GREY[:, :, 0], (1, 7, 10)),
    "no colours": ({"grayscale": {}}, RGB, (7, 10, 1)),
}


@pytest.mark.parametrize(("transform", "value", "shape"), SHAPES.values(), ids=SHAPES)
def test_it_gives(transform: dict[str, Any], value: np.ndarray, shape: tuple[int, ...]) -> None:
    assert done(value, transform).shape == shape


def test_pixels_become_fractions_from_0_to_1() -> None:
    assert done(np.array([0, 51, 255], np.uint8), {"toFloat": {}}).tolist() == pytest.approx(
        [0, 0.2, 1]
    )
    assert done(np.array([0, 65535], np.uint16), {"toFloat": {}}).tolist() == [0, 1]


def test_channels_are_normalised_where_they_are() -> None:
    how = {"mean": [0.1, 0.2, 0.3], "std": [0.5, 1, 2]}

    last = done(FLOATS, {"normalize": how})
    first = done(FLOATS, {"toChannelsFirst": {}}, {"normalize": {**how, "channels": "First"}})

    assert np.array_equal(last.transpose(2, 0, 1), first)
    assert last.dtype == np.float32
    assert np.allclose(last, (FLOATS - [0.1, 0.2, 0.3]) / [0.5, 1, 2], atol=1e-6)


def test_one_mean_is_for_all_channels() -> None:
    assert np.allclose(done(FLOATS, {"normalize": {"mean": [1], "std": [2]}}), (FLOATS - 1) / 2)


def test_grey_is_what_pillow_makes_of_it() -> None:
    expected = np.asarray(Image.fromarray(RGB).convert("L"))

    assert np.array_equal(done(RGB, {"grayscale": {}})[:, :, 0], expected)


def test_an_image_that_was_grey_is_the_same_grey() -> None:
    every = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)

    assert np.array_equal(done(every, {"grayscale": {}})[0, :, 0], np.arange(256))


def test_one_channel_is_resized_as_all_are() -> None:
    resize = {"resize": {"size": [4, 4], "interpolation": "Bicubic"}}

    assert np.array_equal(done(GREY, resize), done(RGB, resize)[:, :, :1])


def test_padding_is_around_the_middle_or_behind() -> None:
    value = np.array([1, 2], np.int64)

    assert done(value, {"pad": {"size": [5], "value": 9}}).tolist() == [9, 1, 2, 9, 9]
    behind = {"pad": {"size": [5], "value": 9, "position": "Start"}}
    assert done(value, behind).tolist() == [1, 2, 9, 9, 9]


def test_fractions_are_cut_off_towards_zero() -> None:
    value = np.array([-1.9, 1.9], np.float64)

    assert done(value, {"cast": {"dtype": "int32"}}).tolist() == [-1, 1]


REFUSED = {
    "an image that is too small to crop": ({"centerCrop": {"size": [8, 8]}}, RGB),
    "an array that is too large to pad": ({"pad": {"size": [8, 8]}}, RGB),
    "fewer axes than are padded": ({"pad": {"size": [8, 8]}}, np.arange(4)),
    "a filling that the type lacks": ({"pad": {"size": [8, 12], "value": -1}}, RGB),
    "half a filling": ({"pad": {"size": [8, 12], "value": 0.5}}, RGB),
    "fractions that are fractions already": ({"toFloat": {}}, FLOATS),
    "pixels that are no fractions yet": ({"normalize": {"mean": [0], "std": [1]}}, RGB),
    "another number of channels": ({"normalize": {"mean": [0, 0], "std": [1, 1]}}, FLOATS),
    "another number of axes": ({"transpose": {"order": [1, 0]}}, RGB),
    "tokens as an image": ({"toChannelsFirst": {}}, np.arange(4)),
    "an image without an area": ({"resize": {"shorter": 2}}, RGB[:0]),
    "a strip that would become endless": (
        {"resize": {"shorter": 8192}},
        np.zeros((1, 100, 3), np.uint8),
    ),
    "integers of another size as pixels": ({"resize": {"size": [2, 2]}}, RGB.astype(np.int32)),
    "no colours": ({"grayscale": {}}, GREY),
    "colours in fractions": ({"grayscale": {}}, FLOATS),
    "a number that the type lacks": ({"cast": {"dtype": "int8"}}, np.array([128.0])),
    "what is no number": ({"cast": {"dtype": "int64"}}, np.array([np.nan])),
    "2 to the 63": ({"cast": {"dtype": "int64"}}, np.array([2.0**63])),
}


@pytest.mark.parametrize(("transform", "value"), REFUSED.values(), ids=REFUSED)
def test_it_does_not_take(transform: dict[str, Any], value: np.ndarray) -> None:
    (kind,) = transform

    with pytest.raises(Unfit, match=kind):
        done(value, transform)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 12), st.integers(1, 12))
def test_what_was_padded_is_what_is_cropped(height: int, width: int, more: int, wider: int) -> None:
    """For every size: padding is undone by cropping where the rest is even."""
    value = np.arange(height * width, dtype=np.int64).reshape(height, width)
    size = [height + 2 * more, width + 2 * wider]

    padded = done(value, {"pad": {"size": size, "value": -1}})

    assert np.array_equal(done(padded, {"centerCrop": {"size": [height, width]}}), value)


@given(st.permutations(range(3)))
def test_an_order_is_undone_by_its_inverse(order: list[int]) -> None:
    inverse = [order.index(axis) for axis in range(3)]

    there = done(RGB, {"transpose": {"order": order}})

    assert np.array_equal(done(there, {"transpose": {"order": inverse}}), RGB)
