"""The shapes that an engine is built for, checked against what the network takes."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from lathe_steps.errors import InvalidSpec

Shape = tuple[int, ...]
DYNAMIC = -1
"""How TensorRT writes an axis of any size."""
_DEFAULTS = (1, 8, 32)
"""Least, usual and largest size of a dynamic axis that no profile speaks of."""


class Given(Protocol):
    """The shapes of one input, as the user gives them."""

    @property
    def min(self) -> Shape:
        """Smallest."""

    @property
    def opt(self) -> Shape:
        """Tuned for."""

    @property
    def max(self) -> Shape:
        """Largest."""


class Range(NamedTuple):
    """The shapes of one input, checked."""

    min: Shape
    opt: Shape
    max: Shape


def checked(
    profiles: Sequence[Mapping[str, Given]], inputs: Mapping[str, Shape]
) -> tuple[Mapping[str, Range], ...]:
    """Complete profiles: every input with a dynamic axis has shapes in each of them.

    Args:
        profiles: As the user gives them; none at all is one of defaults.
        inputs: What the network takes, with DYNAMIC for axes of any size.

    Raises:
        InvalidSpec: Naming the profile, the input and the axis that does not fit.
    """
    return tuple(
        _complete(profile, inputs, f"tensorrt.profiles[{i}]")
        for i, profile in enumerate(profiles or ({},))
    )


def _complete(
    profile: Mapping[str, Given], inputs: Mapping[str, Shape], path: str
) -> dict[str, Range]:
    for name in profile:
        if name not in inputs:
            raise InvalidSpec(f"{path}.{name}: no such input; the model takes {', '.join(inputs)}")
    ranges = {}
    for name, shape in inputs.items():
        if name in profile:
            given = profile[name]
            ranges[name] = _fitting(Range(given.min, given.opt, given.max), shape, f"{path}.{name}")
        elif DYNAMIC in shape:
            ranges[name] = Range(*(_filled(shape, size) for size in _DEFAULTS))
    return ranges


def _filled(shape: Shape, size: int) -> Shape:
    return tuple(size if axis == DYNAMIC else axis for axis in shape)


def _fitting(given: Range, shape: Shape, path: str) -> Range:
    for field, sizes in zip(given._fields, given, strict=True):
        if len(sizes) != len(shape):
            raise InvalidSpec(
                f"{path}.{field}: has {len(sizes)} axes, but the input has {len(shape)}: "
                f"{list(shape)}"
            )
        for axis, (size, wanted) in enumerate(zip(sizes, shape, strict=True)):
            if wanted not in (DYNAMIC, size):
                raise InvalidSpec(
                    f"{path}.{field}: axis {axis} is {size}, but the model's is always {wanted}"
                )
    for axis, (least, usual, most) in enumerate(zip(*given, strict=True)):
        if not least <= usual <= most:
            raise InvalidSpec(
                f"{path}: axis {axis} has min {least}, opt {usual}, max {most}; they must not fall"
            )
    return given
