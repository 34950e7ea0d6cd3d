"""Fusing layers in torch, before export."""

from typing import ClassVar

from lathe_steps.base import Format, Step


class Fuse(Step):
    """Fold batch normalisations into the convolutions and linear layers before them.

    Outputs stay equal up to rounding. After it nothing may train.
    """

    reads: ClassVar = Format.TORCH
    writes: ClassVar = Format.TORCH
