"""Fusing layers in torch, before export."""

from typing import ClassVar

from lathe_steps.base import Artifact, Context, Format, Step


class Fuse(Step):
    """Fold batch normalisations into the convolutions and linear layers before them.

    Outputs stay equal up to rounding. After it nothing may train.
    """

    reads: ClassVar = Format.TORCH
    writes: ClassVar = Format.TORCH

    def apply(self, artifact: Artifact, context: Context) -> Artifact:
        """Fold, and check that the outputs stayed equal.

        Facts: how many normalisations were folded.

        Raises:
            Internal: When folding changes the model's outputs.
        """
        from lathe_steps.toolchains.networks.models import model
        from lathe_steps.toolchains.networks.rewriting import folding

        network = model.load(artifact)
        pairs, difference = folding.fold(network)
        return model.save(
            network,
            context.out,
            {"folded": len(pairs), "largest_difference": difference.relative},
        )
