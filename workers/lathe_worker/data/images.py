"""Decoding images that nobody vouches for: JPEG, PNG and WebP, of bounded size."""

from io import BytesIO
from struct import error as StructError  # noqa: N812 - it is an exception
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("JPEG", "PNG", "WEBP")
ENDINGS = frozenset({"jpg", "jpeg", "png", "webp"})
"""How names of images end."""
MOST_PIXELS = 50_000_000
"""Most pixels of one image: 150 MB in memory."""
HEAD = 1 << 14
"""Bytes from the start in which an image most often says what it is."""
_MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"})


def decode(content: bytes) -> np.ndarray:
    """Decode an image to uint8 red, green and blue, of shape [height, width, 3].

    Transparency is dropped, not blended; orientation in EXIF is not applied; of several frames the
    first is taken.

    Raises:
        ValueError: With one line, when it is damaged, cut off, of another format, or too large.
    """
    image = _opened(content)
    try:
        return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, EOFError, StructError, MemoryError) as error:
        raise ValueError(f"the image is damaged or cut off ({error})") from error


def is_fine(beginning: bytes) -> bool:
    """Whether the beginning of an image is enough to see that it can be read."""
    try:
        _opened(beginning)
    except ValueError:
        return False
    return True


def require_fine(content: bytes) -> None:
    """Look at what an image says of itself, without decoding it.

    Raises:
        ValueError: With one line, when it is of another format, or too large.
    """
    _opened(content)


def _opened(content: bytes) -> "Image":
    from PIL import Image, UnidentifiedImageError  # noqa: PLC0415 - only for images

    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    try:
        image = Image.open(BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise ValueError("it is no JPEG, PNG or WebP image that can be read") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(f"the image has more than {MOST_PIXELS} pixels: store it smaller") from (
            error
        )
    except (OSError, SyntaxError, EOFError, ValueError, StructError) as error:
        raise ValueError(f"the image is damaged ({error})") from error
    if image.width * image.height > MOST_PIXELS:
        raise ValueError(
            f"the image has {image.width} x {image.height} pixels; up to {MOST_PIXELS} are read: "
            "store it smaller"
        )
    if image.mode not in _MODES:
        raise ValueError(
            f"the image has pixels of mode {image.mode}; 8 bits per channel are read: store it "
            "with those, or as an array"
        )
    return image
