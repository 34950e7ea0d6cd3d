"""Sparsity: set weights to zero, for archives that store zeros cheaply."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lathe_steps.base import Artifact, Context, Format, Parameters, Rule, Step
from lathe_steps.toolchains.training import Recovery
from lathe_steps.words import Glob


class GroupPattern(Parameters):
    """At most so many weights that are not zero among so many neighbours, such as 2 of 4."""

    rules: ClassVar = (
        Rule(
            cel="self.keep < self.of",
            message="keep is smaller than of",
            holds=lambda it: it.keep < it.of,
        ),
    )

    keep: Annotated[int, Field(ge=1, le=31)]
    """How many weights of each group may be left."""
    of: Annotated[int, Field(ge=2, le=32)]
    """How many neighbours along a layer's inputs make a group; they have to divide into groups."""


class Sparsify(Step):
    """Set the least important weights of convolutions, linear layers and embeddings to zero.

    The model is neither smaller nor faster for it: runtimes store and compute zeros like other
    weights. `pack` makes the files smaller. Training after it leaves the zeros as they are.
    """

    reads: ClassVar = Format.TORCH
    writes: ClassVar = Format.TORCH
    trains: ClassVar = True
    checkpoints: ClassVar = True
    exactly_one_of: ClassVar = ("sparsity", "pattern")
    rules: ClassVar = (
        Rule(
            cel="!has(self.schedule) || self.schedule != 'OneShot' || "
            "!has(self.passes) || self.passes == 1",
            message="OneShot is one pass: leave out passes, or choose Linear or Cubic",
            holds=lambda it: it.schedule != "OneShot" or it.passes == 1,
        ),
    )

    method: Literal["Magnitude", "Random"] = "Magnitude"
    """How weights are ranked: by their absolute value, or by chance (a baseline)."""
    sparsity: Annotated[float, Field(ge=0, lt=1)] | None = None
    """Share of the weights that is to be zero, anywhere in the tensors."""
    pattern: GroupPattern | None = None
    """Instead of a share: how many weights of each group may be left, such as {keep: 2, of: 4}."""
    scope: Literal["Global", "Local"] = "Global"
    """Whether weights compete across the whole model or within their tensor; within their group
    for a pattern."""
    schedule: Literal["OneShot", "Linear", "Cubic"] = "Cubic"
    """How the share of zeros grows over the passes. Cubic takes most in the first passes, when
    there is most to take (Zhu and Gupta, 2017)."""
    passes: Annotated[int, Field(ge=1, le=100)] = 1
    """Reach the share in this many passes, ranking anew before each."""
    recovery: Recovery | None = None
    """Train after each pass."""
    ignore: Annotated[tuple[Glob, ...], Field(max_length=64)] = ()
    """Layers that are left alone, by name."""

    def dataset_names(self) -> tuple[str, ...]:
        """Names of the data sets that the step needs."""
        return self.recovery.dataset_names() if self.recovery else ()

    def labelled_datasets(self) -> tuple[str, ...]:
        """Names of the data sets that the step needs labels of."""
        return self.recovery.labelled_datasets() if self.recovery else ()

    def apply(self, artifact: Artifact, context: Context) -> Artifact:
        """Set weights to zero, exactly as many as asked for, and train after each pass.

        Facts: share of zeros among the weights considered, how many those are, weights of the
        whole model that are not zero, and that no runtime gains by it. Evidence: the share of
        zeros by pass.

        Raises:
            InvalidSpec: When a pattern of ignore matches nothing, when a layer does not divide
                into groups, or when nothing would be left of a layer.
            BadInput: When the data set does not fit the model.
            Internal: When the loss is no number any more.
        """
        import torch

        from lathe_steps.toolchains.networks.rewriting import sparsifying

        torch.set_num_threads(context.threads)
        pattern = self.pattern and sparsifying.Pattern(self.pattern.keep, self.pattern.of)
        wish = sparsifying.Wish(
            method=self.method,
            sparsity=pattern or self.sparsity or 0.0,
            local=self.scope == "Local",
            cubic=self.schedule == "Cubic",
            passes=self.passes,
            ignore=self.ignore,
        )
        return sparsifying.sparsify(artifact, wish, self.recovery, context)
