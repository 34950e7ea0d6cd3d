"""Weight sharing: few values for many weights, for archives that store an index instead."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lathe_steps.base import Artifact, Context, Format, Step
from lathe_steps.toolchains.training import Recovery
from lathe_steps.words import Glob


class Cluster(Step):
    """Let the weights of each layer share few values, found by k-means (Han et al., 2015).

    The model is neither smaller nor faster for it; `pack` makes the files smaller. Training after
    it moves the shared values, and leaves equal what is equal.
    """

    reads: ClassVar = Format.TORCH
    writes: ClassVar = Format.TORCH
    trains: ClassVar = True
    checkpoints: ClassVar = True

    clusters: Annotated[int, Field(ge=2, le=256)] = 16
    """How many values a layer has, besides the zeros that are preserved."""
    init: Literal["Linear", "Density", "KMeansPlusPlus"] = "Linear"
    """Where k-means begins: evenly from the least weight to the largest, which keeps the few large
    ones apart; with as many weights between each two; or drawn far from each other."""
    per_layer: bool = True
    """Whether each tensor has values of its own; else all of them share one set."""
    preserve_zeros: bool = True
    """Keep weights that are zero at zero, without a cluster of their own."""
    rounding: Literal["FP32", "FP16"] = "FP32"
    """Round shared values, biases and normalisations at the end to what this type holds: those that
    16 bits hold exactly are packed in 16 bits."""
    recovery: Recovery | None = None
    """Train the shared values afterwards; each gets the sum of the gradients of its weights."""
    ignore: Annotated[tuple[Glob, ...], Field(max_length=64)] = ()
    """Layers that are left alone, by name."""

    def dataset_names(self) -> tuple[str, ...]:
        """Names of the data sets that the step needs."""
        return self.recovery.dataset_names() if self.recovery else ()

    def labelled_datasets(self) -> tuple[str, ...]:
        """Names of the data sets that the step needs labels of."""
        return self.recovery.labelled_datasets() if self.recovery else ()

    def apply(self, artifact: Artifact, context: Context) -> Artifact:
        """Share the values of convolutions, linear layers and embeddings, and train them.

        Facts: codebooks, the most values that one has (zero included), the relative error of the
        weights before training, and that no runtime gains by it.

        Raises:
            InvalidSpec: When a pattern of ignore matches nothing, or when a value is too large for
                the type to round to.
            BadInput: When the data set does not fit the model.
            Internal: When weights are no numbers, or the loss is none any more.
        """
        import torch

        from lathe_steps.toolchains.networks.rewriting import clustering

        torch.set_num_threads(context.threads)
        wish = clustering.Wish(
            clusters=self.clusters,
            init=self.init,
            per_layer=self.per_layer,
            keep_zeros=self.preserve_zeros,
            rounding=self.rounding,
            ignore=self.ignore,
        )
        return clustering.cluster(artifact, wish, self.recovery, context)
