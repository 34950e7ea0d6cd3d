"""What is done to a sample before the model gets it: a closed vocabulary, without any chance."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lathe_steps.base import Parameters, Rule

Pixels = Annotated[int, Field(ge=1, le=8192)]
Size = Annotated[tuple[Pixels, ...], Field(min_length=2, max_length=2)]
"""Height, then width."""
PerChannel = Annotated[
    tuple[Annotated[float, Field(ge=-1e6, le=1e6)], ...], Field(min_length=1, max_length=64)
]
Deviations = Annotated[
    tuple[Annotated[float, Field(gt=0, le=1e6)], ...], Field(min_length=1, max_length=64)
]


class Resize(Parameters):
    """Change the size of an image of shape [height, width] or [height, width, channels].

    Every pixel is a mean over all that it covers (antialiasing), as Pillow computes it: rounded to
    the nearest for uint8, not rounded for float32.
    """

    exactly_one_of: ClassVar = ("size", "shorter")

    size: Size | None = None
    """Height and width, whatever the shape was before."""
    shorter: Pixels | None = None
    """Length of the shorter side; the other keeps the proportion, rounded down."""
    interpolation: Literal["Nearest", "Bilinear", "Bicubic", "Lanczos"] = "Bilinear"
    """How a pixel is made of its neighbours."""


class CenterCrop(Parameters):
    """Keep the middle of an image; where a side's rest is odd, its half is rounded to even."""

    size: Size
    """Height and width; an image that is smaller is refused."""


class Pad(Parameters):
    """Fill the first axes of an array up to a size; an array that is larger is refused."""

    size: Annotated[tuple[Pixels, ...], Field(min_length=1, max_length=3)]
    """A length for each of the first axes: height and width of an image, or [length] of tokens."""
    value: Annotated[float, Field(ge=-1e6, le=1e6)] = 0
    """What is filled in; a whole number for arrays of integers."""
    position: Literal["Center", "Start"] = "Center"
    """Where the array goes: into the center (an odd rest goes to the end) or to the start."""


class ToFloat(Parameters):
    """From the integers of an image to float32 from 0 to 1: uint8 over 255, uint16 over 65535."""


class Normalize(Parameters):
    """Take a mean from every channel, then divide by a deviation, in float32."""

    rules: ClassVar = (
        Rule(
            "size(self.mean) == size(self.std)",
            "mean and std need one number per channel, or one for all",
            lambda it: len(it.mean) == len(it.std),
        ),
    )

    mean: PerChannel
    """One number per channel, or one for all."""
    std: Deviations
    """One number per channel, or one for all."""
    channels: Literal["Last", "First"] = "Last"
    """Which axis of the sample is the channel; First after toChannelsFirst."""


class Transpose(Parameters):
    """Put axes into another order."""

    rules: ClassVar = (
        Rule(
            "self.order.all(axis, axis < size(self.order)) && "
            "self.order.all(axis, self.order.exists_one(other, other == axis))",
            "order names each axis of the sample once, counted from 0",
            lambda it: sorted(it.order) == list(range(len(it.order))),
        ),
    )

    order: Annotated[
        tuple[Annotated[int, Field(ge=0, le=7)], ...], Field(min_length=2, max_length=8)
    ]
    """For each new axis, the old one, without the axis of samples."""


class ToChannelsFirst(Parameters):
    """From [height, width, channels] to [channels, height, width].

    [height, width] becomes [1, height, width].
    """


class Grayscale(Parameters):
    """From uint8 red, green and blue to one channel: 0.299 R + 0.587 G + 0.114 B (ITU-R 601)."""


class Cast(Parameters):
    """Change the type of the elements."""

    dtype: Literal["float16", "float32", "float64", "int8", "uint8", "int32", "int64"]
    """The new type. Fractions are cut off towards zero; what does not fit is refused."""


class Transform(Parameters):
    """One change of a sample, by exactly one of its members."""

    exactly_one_of: ClassVar = (
        "resize",
        "center_crop",
        "pad",
        "to_float",
        "normalize",
        "transpose",
        "to_channels_first",
        "grayscale",
        "cast",
    )

    resize: Resize | None = None
    center_crop: CenterCrop | None = None
    pad: Pad | None = None
    to_float: ToFloat | None = None
    normalize: Normalize | None = None
    transpose: Transpose | None = None
    to_channels_first: ToChannelsFirst | None = None
    grayscale: Grayscale | None = None
    cast: Cast | None = None

    @property
    def kind(self) -> str:
        """The member that is given, as users spell it."""
        name = next(name for name in self.exactly_one_of if getattr(self, name) is not None)
        return type(self).model_fields[name].alias or name

    @property
    def change(self) -> Parameters:
        """The change itself."""
        found: Parameters = next(
            change for name in self.exactly_one_of if (change := getattr(self, name)) is not None
        )
        return found
