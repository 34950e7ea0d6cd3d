"""Structured pruning: remove whole parts, so that the model is smaller and faster as it is."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from lathe_steps.base import Artifact, Context, Format, Parameters, Rule, Runtime, Step
from lathe_steps.errors import InvalidSpec
from lathe_steps.toolchains.training import Recovery
from lathe_steps.words import Glob, Name

if TYPE_CHECKING:
    from lathe_steps.toolchains.networks.pruning.passes import Plan
    from lathe_steps.toolchains.networks.pruning.wishes import Removal, Wish

Share = Annotated[float, Field(gt=0, lt=1)]
SampleCount = Annotated[int, Field(ge=1, le=1_000_000)]


_BLOCK = "has(self.granularity) && self.granularity == 'Block'"
_LOOKS = f"(has(self.importance) && self.importance == 'Taylor') || ({_BLOCK})"
"""In CEL: that samples decide what is removed. Within lists the server fills in no defaults."""


class PruneTarget(Parameters):
    """How much is to be left."""

    exactly_one_of: ClassVar = ("params", "flops", "latency")

    params: Share | None = None
    """Share of the parameters to keep: 0.5 halves them."""
    flops: Share | None = None
    """Share of the multiply-accumulate operations to keep."""
    latency: Share | None = None
    """Share of the latency to keep, in ONNX Runtime on the worker's CPU, for one sample. Some
    candidates are exported and timed in turns with the unpruned model to find how many parameters
    that is."""


class PruneData(Parameters):
    """Samples that show what matters."""

    dataset: Name
    """For importance Taylor with labels, or without, when the input model's answers are what is
    right. Must differ from the evaluation's."""
    samples: SampleCount = 256
    """At most so many, spread evenly over the data set."""


class PruneAccuracy(Parameters):
    """How much quality a pruning may cost."""

    dataset: Name
    """With labels, quality is Top1; without, agreement with the unpruned model. Must differ from
    the evaluation's."""
    max_drop: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Largest drop against the model that the step is given: 0.01 is one in a hundred."""
    samples: SampleCount = 1000
    """At most so many, spread evenly over the data set."""


class Prune(Step):
    """Remove the least important channels, heads or blocks, with everything that depends on them.

    In several passes, with training between them when `recovery` is given.
    """

    reads: ClassVar = Format.TORCH
    writes: ClassVar = Format.TORCH
    checkpoints: ClassVar = True
    rules: ClassVar = (
        Rule(
            f"!({_LOOKS}) || has(self.data)",
            "importance Taylor and granularity Block need data",
            lambda it: (
                it.data is not None or (it.importance != "Taylor" and it.granularity != "Block")
            ),
        ),
        Rule(
            f"{_LOOKS} || !has(self.data)",
            "only importance Taylor and granularity Block take data",
            lambda it: it.data is None or it.importance == "Taylor" or it.granularity == "Block",
        ),
        Rule(
            f"!({_BLOCK}) || !has(self.importance) || self.importance == 'L2'",
            "granularity Block ranks by what blocks change, and takes no importance",
            lambda it: it.granularity != "Block" or it.importance == "L2",
        ),
        Rule(
            "!has(self.granularity) || self.granularity == 'Channel' || "
            "((!has(self.scope) || self.scope == 'Global') && "
            "(!has(self.importance) || self.importance != 'BNScale'))",
            "only granularity Channel takes a scope, or importance BNScale",
            lambda it: (
                it.granularity == "Channel" or (it.scope == "Global" and it.importance != "BNScale")
            ),
        ),
    )

    granularity: Literal["Channel", "Block", "Head"] = "Channel"
    """What is removed as a unit: channels of layers; whole residual blocks; or heads of attention
    (of Lathe's encoder, torchvision's vision transformers, timm's, and BERT)."""
    importance: Literal["L1", "L2", "BNScale", "Random", "Taylor"] = "L2"
    """How channels and heads are ranked: by the norm of their weights, by the scale of their batch
    normalisation, by chance (a baseline), or by how much the loss would change without them
    (Molchanov et al., 2019). Blocks are ranked by how little they change what goes through them
    (Men et al., 2024)."""
    scope: Literal["Global", "Local", "Sensitivity"] = "Global"
    """Whether channels compete across the whole model or within their layer. Sensitivity follows
    the map of a sensitivity step directly before: layers without which little is lost lose more."""
    target: PruneTarget
    """How much is to be left. Units are removed until the share is reached or passed."""
    round_to: Annotated[int, Field(ge=1, le=256)] = 8
    """Keep channel counts a multiple of this, which kernels and tensor cores like."""
    ignore: Annotated[tuple[Glob, ...], Field(max_length=64)] = ()
    """Layers whose outputs are left alone. The model's outputs always are, and so are channels that
    a reshape rearranges (channel shuffles, windows) and the embedding of attention."""
    iterations: Annotated[int, Field(ge=1, le=100)] = 1
    """Reach the target in this many passes, ranking anew before each."""
    data: PruneData | None = None
    """Samples to rank by, for importance Taylor and granularity Block."""
    recovery: Recovery | None = None
    """Train after each pass."""
    accuracy: PruneAccuracy | None = None
    """Undo a pass that costs more than this, after its recovery, and stop there."""

    def dataset_names(self) -> tuple[str, ...]:
        """Names of the data sets that the step needs."""
        names = [use.dataset for use in (self.data, self.accuracy) if use is not None]
        if self.recovery is not None:
            names += self.recovery.dataset_names()
        return tuple(dict.fromkeys(names))

    def labelled_datasets(self) -> tuple[str, ...]:
        """Names of the data sets that the step needs labels of."""
        return self.recovery.labelled_datasets() if self.recovery else ()

    def require(self, runtimes: tuple[Runtime, ...]) -> None:
        """Latency is that of ONNX Runtime, which has to be a target.

        Raises:
            InvalidSpec: When it is none.
        """
        if self.target.latency is not None and all(r.name != "ONNXRuntime" for r in runtimes):
            raise InvalidSpec(
                "prune.target.latency: it is measured with ONNX Runtime, which no target is for; "
                "choose flops"
            )

    def apply(self, artifact: Artifact, context: Context) -> Artifact:
        """Remove units in as many passes as there are iterations, ranking anew before each.

        What only training uses (auxiliary heads) is removed first, and counts as nothing.
        Facts: weights and operations before and after; passes that were kept, of how many; with
        accuracy, quality before and after; with a latency target, latency before and after.

        Raises:
            InvalidSpec: When an entry of ignore matches nothing, when the importance is undefined
                for this model, when there is no map for scope Sensitivity, or when the target
                cannot be reached.
            BadInput: When samples do not fit the model.
            Internal: UnsupportedModel, when the units of this architecture cannot be removed.
        """
        import torch

        from lathe_steps.toolchains.networks.models import model
        from lathe_steps.toolchains.networks.pruning import passes

        torch.set_num_threads(context.threads)
        wish = self._wish(artifact, context)
        remove = self._remove()
        network, facts, evidence = passes.run(
            artifact,
            self._plan(context),
            lambda network, share, seed: remove(network, wish, share, seed=seed),
            context,
        )
        return model.save(network, context.out, facts, evidence)

    def _wish(self, artifact: Artifact, context: Context) -> "Wish":
        from lathe_steps.toolchains.networks.models import model
        from lathe_steps.toolchains.networks.pruning import taylor, wishes

        shown = None
        if self.data is not None:
            source = model.load(context.source) if self.importance == "Taylor" else None
            shown = taylor.Evidence(context.datasets[self.data.dataset], self.data.samples, source)
        return wishes.Wish(
            measure="flops" if self.target.flops is not None else "params",
            importance=self.importance,
            scope=self.scope,
            round_to=self.round_to,
            ignore=self.ignore,
            evidence=shown,
            drops=self._drops(artifact) if self.scope == "Sensitivity" else None,
        )

    def _drops(self, artifact: Artifact) -> dict[str, float]:
        from lathe_steps.toolchains import sensitivity_map

        found = sensitivity_map.read(artifact.path)
        if found is None:
            raise InvalidSpec(
                "prune.scope: Sensitivity needs a sensitivity step directly before this one"
            )
        return {layer.name: layer.drop for layer in found.layers}

    def _plan(self, context: Context) -> "Plan":
        from lathe_steps.toolchains.networks.pruning.passes import Limit, Plan

        target = self.target
        shares = [s for s in (target.params, target.flops, target.latency) if s is not None]
        limit = None
        if self.accuracy is not None:
            dataset = context.datasets[self.accuracy.dataset]
            limit = Limit(dataset, self.accuracy.samples, self.accuracy.max_drop)
        return Plan(
            measure="flops" if target.flops is not None else "params",
            share=shares[0],
            latency=target.latency is not None,
            passes=self.iterations,
            recovery=self.recovery,
            limit=limit,
        )

    def _remove(self) -> "Removal":
        from lathe_steps.toolchains.networks.pruning import attention_heads, blocks, pruning

        return {
            "Channel": pruning.remove,
            "Head": attention_heads.remove,
            "Block": blocks.remove,
        }[self.granularity]
