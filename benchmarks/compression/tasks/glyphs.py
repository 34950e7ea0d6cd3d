"""Glyphs: 32x32 images of letters and digits, rendered from fonts that matplotlib ships."""

import string
from pathlib import Path

import matplotlib as mpl
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.compression.tasks.samples import Samples, Split

CHARACTERS = string.digits + string.ascii_letters
FONTS = ("DejaVuSansMono", "DejaVuSansMono-Bold", "DejaVuSerif", "DejaVuSerif-Bold")
SIDE = 32
POINTS = 24
TURN, STRETCH, SHEAR, SHIFT = 10.0, 0.1, 0.15, 3.0
"""Most of each distortion: degrees, share, share, pixels."""
CALIBRATION = 512


def load(train: int = 20_000, test: int = 8_000) -> Split:
    """Render three sets from seeds of their own; float32 in about 0…1, shape (n, 1, 32, 32)."""
    return Split(rendered(train, 11), rendered(CALIBRATION, 12), rendered(test, 13))


def rendered(count: int, seed: int) -> Samples:
    """Render glyphs in random order, each distorted, dimmed and sprinkled with noise."""
    chance = np.random.default_rng(seed)
    masters = _masters()
    labels = chance.integers(len(CHARACTERS), size=count)
    fonts = chance.integers(len(FONTS), size=count)
    images = np.stack(
        [
            np.asarray(_distorted(masters[font][label], chance), np.float32)
            for font, label in zip(fonts, labels, strict=True)
        ]
    )
    images *= chance.uniform(0.4, 1.0, (count, 1, 1)).astype(np.float32) / 255
    images += 0.25 * chance.standard_normal(images.shape, np.float32)
    return Samples(images[:, None].astype(np.float32), labels.astype(np.int64))


def _masters() -> list[list[Image.Image]]:
    """Every character of every font, at twice the size."""
    folder = Path(mpl.get_data_path()) / "fonts" / "ttf"
    fonts = [ImageFont.truetype(folder / f"{name}.ttf", 2 * POINTS) for name in FONTS]
    return [[_drawn(character, font) for character in CHARACTERS] for font in fonts]


def _drawn(character: str, font: ImageFont.FreeTypeFont) -> Image.Image:
    """One character, standing on a common line, as sizes tell c from C."""
    image = Image.new("L", (2 * SIDE, 2 * SIDE))
    ImageDraw.Draw(image).text((SIDE, 1.45 * SIDE), character, fill=255, font=font, anchor="ms")
    return image


def _distorted(master: Image.Image, chance: np.random.Generator) -> Image.Image:
    """Turn, stretch, shear and move a glyph, and halve its size."""
    turn = np.deg2rad(chance.uniform(-TURN, TURN))
    stretch = 1 + chance.uniform(-STRETCH, STRETCH, 2)
    shear = chance.uniform(-SHEAR, SHEAR)
    shift = chance.uniform(-SHIFT, SHIFT, 2)
    turning = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    matrix = turning @ np.array([[1, shear], [0, 1]]) @ np.diag(2 * stretch)
    offset = SIDE - matrix @ (SIDE / 2 + shift)
    rows = (*matrix[0], offset[0], *matrix[1], offset[1])
    return master.transform((SIDE, SIDE), Image.Transform.AFFINE, rows, Image.Resampling.BILINEAR)
