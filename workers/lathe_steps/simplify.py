"""Simplifying an ONNX graph."""

from typing import Annotated, ClassVar

from pydantic import Field

from lathe_steps.base import Artifact, Context, Format, Step


class Simplify(Step):
    """Fold constants, fuse and remove what the graph does not need; outputs stay equal."""

    reads: ClassVar = Format.ONNX
    writes: ClassVar = Format.ONNX

    check_samples: Annotated[int, Field(ge=1, le=64)] = 1
    """On how many random batches the outputs are compared."""

    def apply(self, artifact: Artifact, context: Context) -> Artifact:
        """Simplify, and compare outputs on random inputs.

        Facts: nodes before and after.

        Raises:
            Internal: ConversionMismatch, when outputs differ; UnsupportedModel, when the graph
                cannot be simplified.
        """
        from lathe_steps.toolchains.graphs import simplifying

        return simplifying.simplify(
            artifact, context.out, samples=self.check_samples, threads=context.threads
        )
