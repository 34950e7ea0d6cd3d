"""Quantisation-aware training: weights that stay good when they are rounded to integers."""

from typing import Annotated, ClassVar

from pydantic import Field

from lathe_steps.base import Artifact, Context, Format, Step
from lathe_steps.evidence import Evidence
from lathe_steps.toolchains.training import Recovery
from lathe_steps.words import Glob

Bits = Annotated[int, Field(ge=2, le=8)]


class QuantizeAware(Recovery, Step):
    """Train while weights and activations are rounded as `quantize` will round them later.

    Batch normalisations are folded first. Weights of convolutions and linear layers are rounded
    symmetrically with a scale per output channel, the inputs of these layers with one range each.
    Gradients pass through the rounding (straight-through estimator); ranges are moving averages of
    the lowest and highest value of each batch, and stand still for the last quarter of the
    training (Jacob et al., 2018). What comes out are ordinary weights in 32 bits and the ranges
    beside them, which `export` hands on to `quantize`.
    """

    reads: ClassVar = Format.TORCH
    writes: ClassVar = Format.TORCH
    trains: ClassVar = True
    checkpoints: ClassVar = True

    learning_rate: Annotated[float, Field(gt=0, le=10)] = 1e-4
    """Peak learning rate; small, since the model is trained already."""
    weight_bits: Bits = 8
    """Bits of a weight; 7 for CPUs whose 8-bit sums can overflow (without VNNI)."""
    activation_bits: Bits = 8
    """Bits of a layer's input."""
    exclude: Annotated[tuple[Glob, ...], Field(max_length=64)] = ()
    """Layers that stay in floating point, by name."""

    def apply(self, artifact: Artifact, context: Context) -> Artifact:
        """Fold, train with rounding, and write the weights and `ranges.json`.

        Facts: layers that were rounded, normalisations that were folded, updates, the loss at the
        beginning and at the end. Evidence: curves.

        Raises:
            InvalidSpec: When an entry of exclude matches nothing.
            BadInput: When a data set does not fit the model.
            Internal: UnsupportedModel, when the model has no layer to round; StepFailed, when the
                loss is no number any more.
        """
        import torch

        from lathe_steps.toolchains.networks.models import model
        from lathe_steps.toolchains.networks.rewriting import folding
        from lathe_steps.toolchains.networks.training import recovering, rounding, trainer
        from lathe_steps.toolchains.networks.training.course import course_of

        torch.set_num_threads(context.threads)
        network = model.load(artifact)
        folded, _ = folding.fold(network)
        network.module.requires_grad_()  # torch leaves out the biases that folding makes
        curves: list[Evidence] = []
        trail = trainer.Trail(context.checkpoints, curves.append)
        course = course_of("quantizeAware", self, context, trail)
        grid = rounding.Grid(self.weight_bits, self.activation_bits)
        layers = rounding.layers_of(network.module, self.exclude)
        with rounding.rounded(network, layers, grid, course) as ranges:
            facts = trainer.train(network, course, recovering.loss_of(self, context), along=ranges)
        rounding.write(ranges, context.out)
        known = {**facts, "layers": len(ranges.found()), "folded": len(folded)}
        return model.save(network, context.out, known, curves)
