"""Simplifying an ONNX graph."""

from typing import ClassVar

from lathe_steps.base import Format, Step


class Simplify(Step):
    """Fold constants, fuse and remove what the graph does not need; outputs stay equal."""

    reads: ClassVar = Format.ONNX
    writes: ClassVar = Format.ONNX
