"""Export from torch to ONNX."""

from dataclasses import replace
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lathe_steps.base import Artifact, Context, Format, Step


class Export(Step):
    """Write the model as ONNX, and compare its outputs with torch's."""

    reads: ClassVar = Format.TORCH
    writes: ClassVar = Format.ONNX

    opset: Annotated[int, Field(ge=17, le=24)] = 18
    """Version of the ONNX operator set."""
    tolerance: Annotated[float, Field(gt=0, le=1)] = 1e-3
    """Largest difference from torch's outputs, relative to their largest value."""
    external_data: Literal["Auto", "Never", "Always"] = "Auto"
    """Whether weights lie in a file beside the graph; Auto above 1.5 GB, for ONNX files end at 2
    GiB. Steps that change the graph decide anew, as Auto."""

    def apply(self, artifact: Artifact, context: Context) -> Artifact:
        """Export, compare on random inputs, and say how far the outputs are apart.

        What `quantizeAware` and `sensitivity` have left beside the weights goes along.
        Facts: opset, and the largest relative difference.

        Raises:
            InvalidSpec: When weights that must not lie beside the graph are too large for it.
            Internal: UnsupportedModel or ConversionMismatch.
        """
        from lathe_steps.toolchains.graphs import notes
        from lathe_steps.toolchains.networks.models import exporting, model

        network = model.load(artifact)
        context.progress(0.1, "exporting")
        exported = exporting.export(
            network, context.out, opset=self.opset, external=self.external_data
        )
        notes.carry(artifact.path, context.out)
        context.progress(0.8, "comparing with torch")
        difference = exporting.check(
            network, exported, tolerance=self.tolerance, threads=context.threads
        )
        facts = {**exported.facts, "largest_difference": difference.relative}
        return replace(exported, facts=facts)
