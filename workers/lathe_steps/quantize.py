"""Quantisation of an ONNX graph to few bits, lowered to what the target can use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from lathe_steps.base import Artifact, Context, Format, Parameters, Rule, Step
from lathe_steps.words import Glob, Name

if TYPE_CHECKING:
    from lathe_steps.toolchains.graphs.calibration import Sampling
    from lathe_steps.toolchains.graphs.few_bits import Blocks
    from lathe_steps.toolchains.graphs.lowering import Form
    from lathe_steps.toolchains.graphs.searching import Goal


class Calibration(Parameters):
    """Samples that show the range of each activation."""

    dataset: Name
    """Data set to calibrate on; it needs no labels. Must differ from the evaluation's."""
    samples: Annotated[int, Field(ge=1, le=1_000_000)] = 256
    """How many samples, spread evenly over the data set."""
    method: Literal["MinMax", "Entropy", "Percentile"] = "MinMax"
    """How a range is chosen from what was seen."""
    percentile: Annotated[float, Field(ge=50, le=100)] = 99.999
    """Percent of the values that a range holds; for method Percentile."""


class Budget(Parameters):
    """How long a search may go on; it ends with the best that it found."""

    evaluations: Annotated[int, Field(ge=1, le=1000)] = 10
    """How many candidates are made and judged, the plain one among them."""
    seconds: Annotated[int, Field(ge=1, le=604_800)] = 3600
    """After so many seconds no further candidate is begun."""


class Accuracy(Parameters):
    """What the quantised model must still be able to do, on samples of a data set."""

    dataset: Name
    """Data set to judge candidates on: by its labels, or without labels by agreement with the
    model in floating point. Must differ from the evaluation's."""
    max_drop: Annotated[float, Field(ge=0, le=1)] = 0.01
    """How far the share of right answers may fall: 0.01 is one percentage point."""
    samples: Annotated[int, Field(ge=1, le=1_000_000)] = 1024
    """How many samples, spread evenly over the data set."""
    strategy: Literal["None", "ExcludeSensitive"] = "ExcludeSensitive"
    """What to do when the plain result falls further: nothing, or leave the layers that rounding
    harms most in floating point, as few as will do."""
    budget: Budget = Budget()
    """How long to look for them."""


class Quantize(Step):
    """Compute in 8-bit integers, or keep weights in 8 or 4 bits.

    Types, symmetry, bias and format follow the target's runtime and CPU unless they are given.
    """

    reads: ClassVar = Format.ONNX
    writes: ClassVar = Format.ONNX
    lowers: ClassVar = True
    rules: ClassVar = (
        Rule(
            "self.mode != 'Static' || has(self.calibration)",
            "mode Static needs calibration",
            lambda it: it.mode != "Static" or it.calibration is not None,
        ),
        Rule(
            "self.mode == 'Static' || !has(self.calibration)",
            "only mode Static takes calibration",
            lambda it: it.mode == "Static" or it.calibration is None,
        ),
        Rule(
            "self.mode == 'WeightOnly' || (!has(self.bits) && !has(self.groupSize))",
            "only mode WeightOnly takes bits and groupSize",
            lambda it: it.mode == "WeightOnly" or (it.bits is None and it.group_size is None),
        ),
    )

    mode: Literal["Dynamic", "Static", "WeightOnly"]
    """Dynamic chooses activation ranges while running (for MatMul-heavy models); Static
    calibrates them once (for convolutions); WeightOnly rounds the weights of matrix products
    alone, and computes in floating point."""
    calibration: Calibration | None = None
    """How activation ranges are found; for mode Static."""
    bits: Literal[4, 8] | None = None
    """Bits of a weight in mode WeightOnly; 4 when it is not given."""
    group_size: Literal[16, 32, 64, 128, 256] | None = None
    """Weights that share a scale in mode WeightOnly; 32 when it is not given, or 128 on a GPU."""
    format: Literal["Auto", "QDQ", "QOperator"] = "Auto"
    """How the graph says it: quantise/dequantise pairs, or integer operators."""
    activations: Literal["Auto", "Int8", "UInt8"] = "Auto"
    """Type of activations."""
    weights: Literal["Auto", "Int8", "UInt8"] = "Auto"
    """Type of weights."""
    activation_symmetry: Literal["Auto", "Symmetric", "Asymmetric"] = "Auto"
    """Whether zero is in the middle of an activation's range; Auto where the type is signed."""
    weight_symmetry: Literal["Auto", "Symmetric", "Asymmetric"] = "Auto"
    """The same for weights; Auto where the type is signed, and for WeightOnly with 8 bits."""
    per_channel: bool = True
    """One scale per output channel of a weight instead of one per weight."""
    reduce_range: Literal["Auto", "Always", "Never"] = "Auto"
    """7-bit weights, for CPUs without VNNI, where 8 bits can saturate."""
    equalize: Literal["Auto", "Never", "Always"] = "Auto"
    """Give the channels between two layers ranges of the same size first, which changes nothing
    that the model computes (Nagel et al., 2019). Auto does so where a channel's weights are 32
    times as large as is usual in the layer."""
    exclude: Annotated[tuple[Glob, ...], Field(max_length=64)] = ()
    """Nodes that stay in floating point, by name."""
    accuracy: Accuracy | None = None
    """What the result must still be able to do, and what to do otherwise."""

    def dataset_names(self) -> tuple[str, ...]:
        """Names of the data sets that the step needs."""
        given = (self.calibration, self.accuracy)
        return tuple(dict.fromkeys(each.dataset for each in given if each))

    def apply(self, artifact: Artifact, context: Context) -> Artifact:
        """Quantise for the context's runtimes, and check that ONNX Runtime loads the result.

        Learned ranges that lie beside the graph (ranges.json) take the place of calibrated ones,
        and a ranking of layers (sensitivity.json) says where to begin the search.

        Facts: samples seen, nodes in few bits, nodes that stayed in floating point and why, pairs
        of layers that were equalised, and with `accuracy` the metric before and after. Evidence:
        the candidates, and the ranking of layers by the noise that rounding makes.

        Raises:
            InvalidSpec: When a runtime does not take what is asked for, when an entry of exclude
                matches nothing, or when the model is quantised already.
            BadInput: When the samples do not fit the model.
            Internal: UnsupportedModel, when the graph cannot be quantised.
        """
        from lathe_steps.toolchains.graphs import eight_bits

        form = self._form(context)
        work = eight_bits.Work(
            form=form,
            sampling=self._sampling(context, form),
            per_channel=self.per_channel,
            exclude=self.exclude,
            equalise=self.equalize,
            goal=self._goal(context),
        )
        return eight_bits.quantise(
            artifact, context.out, work, threads=context.threads, progress=context.progress
        )

    def _form(self, context: Context) -> Form | Blocks:
        from lathe_steps.toolchains.graphs.lowering import Asked, blocks_for, form_for

        asked = Asked(
            self.mode,
            self.format,
            self.activations,
            self.weights,
            self.reduce_range,
            self.activation_symmetry,
            self.weight_symmetry,
            self.bits or 4,
            self.group_size,
        )
        decide = blocks_for if self.mode == "WeightOnly" else form_for
        return decide(asked, context.runtimes)

    def _sampling(self, context: Context, form: Form | Blocks) -> Sampling | None:
        from lathe_steps.toolchains.graphs.calibration import Sampling

        if self.calibration is None:
            return None
        return Sampling(
            dataset=context.datasets[self.calibration.dataset],
            samples=self.calibration.samples,
            method=self.calibration.method,
            percentile=self.calibration.percentile,
            symmetric=form.symmetric,
        )

    def _goal(self, context: Context) -> Goal | None:
        from lathe_steps.toolchains.graphs.searching import Goal

        asked = self.accuracy
        if asked is None:
            return None
        return Goal(
            dataset=context.datasets[asked.dataset],
            samples=asked.samples,
            max_drop=asked.max_drop,
            search=asked.strategy == "ExcludeSensitive",
            evaluations=asked.budget.evaluations,
            seconds=asked.budget.seconds,
        )
