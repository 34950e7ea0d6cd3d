"""Structured pruning: remove whole channels, so that the model is smaller and faster as it is."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lathe_steps.base import Artifact, Context, Format, Parameters, Step
from lathe_steps.words import Glob

Share = Annotated[float, Field(gt=0, lt=1)]


class PruneTarget(Parameters):
    """How much is to be left."""

    exactly_one_of: ClassVar = ("params", "flops")

    params: Share | None = None
    """Share of the parameters to keep: 0.5 halves them."""
    flops: Share | None = None
    """Share of the multiply-accumulate operations to keep."""


class Prune(Step):
    """Remove the least important channels, with everything that depends on them."""

    reads: ClassVar = Format.TORCH
    writes: ClassVar = Format.TORCH

    granularity: Literal["Channel"] = "Channel"
    """What is removed as a unit."""
    importance: Literal["L1", "L2", "BNScale", "Random"] = "L2"
    """How channels are ranked: by the norm of their weights, by the scale of their batch
    normalisation, or by chance (a baseline)."""
    scope: Literal["Global", "Local"] = "Global"
    """Whether channels compete across the whole model or within their layer."""
    target: PruneTarget
    """How much is to be left. Channels are removed until the share is reached or passed."""
    round_to: Annotated[int, Field(ge=1, le=256)] = 8
    """Keep channel counts a multiple of this, which kernels and tensor cores like."""
    ignore: Annotated[tuple[Glob, ...], Field(max_length=64)] = ()
    """Layers whose outputs are left alone. The model's outputs always are, and so are channels that
    a reshape rearranges (channel shuffles, windows) and the embedding of attention."""
    iterations: Annotated[int, Field(ge=1, le=100)] = 1
    """Reach the target in this many passes, ranking anew before each."""

    def apply(self, artifact: Artifact, context: Context) -> Artifact:
        """Remove channels in as many passes as there are iterations, ranking anew before each.

        What only training uses (auxiliary heads) is removed first, and counts as nothing.
        Facts: weights and operations before and after.

        Raises:
            InvalidSpec: When an entry of ignore matches nothing, when the importance is undefined
                for this model, or when the target cannot be reached.
            Internal: UnsupportedModel, when channels of this architecture cannot be removed.
        """
        import torch

        from lathe_steps.toolchains.networks import model, pruning

        torch.set_num_threads(context.threads)
        network = model.load(artifact)
        wish = pruning.Wish(
            measure="flops" if self.target.params is None else "params",
            share=self.target.params or self.target.flops or 1.0,
            importance=self.importance,
            local=self.scope == "Local",
            round_to=self.round_to,
            ignore=self.ignore,
        )
        facts = pruning.prune(
            network, wish, self.iterations, seed=context.seed, progress=context.progress
        )
        return model.save(network, context.out, facts)
