"""Another head: global average pooling and one layer instead of flattening and many weights."""

from typing import ClassVar, Literal

from pydantic import Field

from lathe_steps.base import Artifact, Context, Format, Step


class ReplaceHead(Step):
    """Replace the flattening of an image, and the linear layers after it, by a lighter head.

    In VGG and AlexNet, most of the weights are there. The new head has yet to learn: put a
    finetune or distill after it.
    """

    reads: ClassVar = Format.TORCH
    writes: ClassVar = Format.TORCH

    with_: Literal["GlobalAveragePool"] = Field(default="GlobalAveragePool", alias="with")
    """The new head: the mean of each channel over the image, and one linear layer (Lin et al.,
    2014)."""

    def apply(self, artifact: Artifact, context: Context) -> Artifact:
        """Replace the head.

        Facts: weights and operations before and after; the layer that gives the scores, and how
        many of its weights are random: none when it could begin with those of the old head.

        Raises:
            InvalidSpec: When no linear layer takes a flattened image.
            Internal: UnsupportedModel, when the model needs its head for something else too.
        """
        from lathe_steps.toolchains.networks.models import model
        from lathe_steps.toolchains.networks.rewriting import pooled_head

        network = model.load(artifact)
        facts = pooled_head.replace(network, seed=context.seed)
        return model.save(network, context.out, facts)
