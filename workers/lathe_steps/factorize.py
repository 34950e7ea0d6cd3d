"""Low-rank factorisation: thick layers written in thin parts."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lathe_steps.base import Artifact, Context, Format, Parameters, Step
from lathe_steps.words import Glob

Share = Annotated[float, Field(gt=0, lt=1)]


class FactorizeTarget(Parameters):
    """How thin the parts are."""

    exactly_one_of: ClassVar = ("rank", "energy", "params")

    rank: Annotated[int, Field(ge=1, le=65_536)] | None = None
    """Channels between the parts of each layer, at most."""
    energy: Share | None = None
    """Share of each layer's squared weights to keep: 0.9 takes the fewest channels that hold 90 %,
    of the inputs and of the outputs where both are cut."""
    params: Share | None = None
    """Share of each layer's weights to keep: as many channels as that allows."""


class Factorize(Step):
    """Write layers in thin parts, where that makes them smaller and faster.

    Linear layers, embeddings and pointwise convolutions become two by singular value
    decomposition; other convolutions become three by Tucker decomposition (Kim et al., 2016). The
    weights are approximated, not what they do: recover by finetune or distill afterwards.
    """

    reads: ClassVar = Format.TORCH
    writes: ClassVar = Format.TORCH

    modules: Annotated[
        tuple[Literal["Linear", "Conv2d", "Embedding"], ...], Field(min_length=1, max_length=3)
    ] = ("Linear", "Conv2d", "Embedding")
    """Which kinds of layers to consider. Grouped convolutions and tied weights are left alone."""
    target: FactorizeTarget
    """How thin the parts are."""
    min_saving: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Change a layer only when this share of its weights is saved."""
    where: Literal["Faster", "Smaller"] = "Faster"
    """Faster changes a layer only when its latency falls too, measured alone in ONNX Runtime on
    the worker's CPU, for one sample. Smaller asks for fewer weights alone: for embeddings, whose
    look-up nothing makes faster."""
    ignore: Annotated[tuple[Glob, ...], Field(max_length=64)] = ()
    """Layers that are left alone, by name."""

    def apply(self, artifact: Artifact, context: Context) -> Artifact:
        """Factorise the layers that are worth it.

        Facts: weights and operations before and after; layers considered and changed, with their
        ranks; the least energy that a changed layer kept; and what the changed layers take
        together, in milliseconds, before and after.

        Raises:
            InvalidSpec: When an entry of ignore matches nothing, or no layer is worth it.
            Internal: UnsupportedModel, when the model does not run with a layer in parts.
        """
        import torch

        from lathe_steps.toolchains.networks.models import model
        from lathe_steps.toolchains.networks.rewriting import factorizing, low_rank

        torch.set_num_threads(context.threads)
        network = model.load(artifact)
        target = self.target
        wish = factorizing.Wish(
            kinds=self.modules,
            wanted=low_rank.Wanted(target.rank, target.energy, target.params),
            least_saving=self.min_saving,
            faster=self.where == "Faster",
            ignore=self.ignore,
        )
        facts, evidence = factorizing.factorise(
            network, wish, threads=context.threads, progress=context.progress
        )
        return model.save(network, context.out, facts, evidence)
