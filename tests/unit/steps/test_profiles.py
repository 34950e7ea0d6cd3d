"""The shapes that an engine is built for."""

import pytest

from lathe_steps.build_engine import ShapeRange
from lathe_steps.errors import InvalidSpec
from lathe_steps.toolchains.engines.profiles import Range, checked

INPUTS = {"x": (-1, 3, 8, 8), "mask": (-1,), "scale": (1,)}


def shapes(least: tuple[int, ...], usual: tuple[int, ...], most: tuple[int, ...]) -> ShapeRange:
    return ShapeRange(min=least, opt=usual, max=most)


MASK = shapes((1,), (4,), (16,))
IMAGES = shapes((1, 3, 8, 8), (4, 3, 8, 8), (16, 3, 8, 8))
DEFAULT = Range((1, 3, 8, 8), (8, 3, 8, 8), (32, 3, 8, 8))

COMPLETE = {
    "one of defaults where there is none": (
        [{"x": DEFAULT, "mask": Range((1,), (8,), (32,))}],
        [],
    ),
    "defaults for an input that it does not speak of": (
        [{"x": DEFAULT, "mask": Range(MASK.min, MASK.opt, MASK.max)}],
        [{"mask": MASK}],
    ),
    "several": (
        [{"x": Range(IMAGES.min, IMAGES.opt, IMAGES.max), "mask": Range((1,), (8,), (32,))}] * 2,
        [{"x": IMAGES}, {"x": IMAGES}],
    ),
}


@pytest.mark.parametrize(("expected", "given"), COMPLETE.values(), ids=COMPLETE)
def test_profiles_are_completed(
    expected: list[dict[str, Range]], given: list[dict[str, ShapeRange]]
) -> None:
    assert list(checked(given, INPUTS)) == expected


def test_a_model_without_dynamic_axes_needs_no_shapes() -> None:
    assert checked((), {"x": (1, 3)}) == ({},)


REFUSED = {
    "an input that there is not": ("y", {"y": MASK}),
    "another number of axes": ("x.min", {"x": shapes((1, 3), (1, 3), (1, 3))}),
    "another size of a fixed axis": (
        "x.opt",
        {"x": shapes((1, 3, 8, 8), (1, 4, 8, 8), (1, 3, 8, 8))},
    ),
    "a size of an input that has no choice": ("scale.max", {"scale": shapes((1,), (1,), (2,))}),
    "a usual size below the least": ("mask", {"mask": shapes((4,), (2,), (8,))}),
    "a largest size below the usual": ("mask", {"mask": shapes((1,), (9,), (8,))}),
}


@pytest.mark.parametrize(("path", "profile"), REFUSED.values(), ids=REFUSED)
def test_it_refuses(path: str, profile: dict[str, ShapeRange]) -> None:
    with pytest.raises(InvalidSpec) as refusal:
        checked([{"x": IMAGES}, profile], INPUTS)

    assert refusal.value.message.startswith(f"tensorrt.profiles[1].{path}:")
