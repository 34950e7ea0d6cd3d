"""Sensitivity: how much each layer matters, for people to look at and for steps to follow."""

import shutil
from dataclasses import replace
from typing import Annotated, ClassVar

from pydantic import Field

from lathe_steps.base import Artifact, Context, Format, Step
from lathe_steps.words import Name


class Sensitivity(Step):
    """Measure what changing each layer alone does to quality; the model passes unchanged.

    Each layer alone loses some of its channels. The step after it can follow the map: prune with
    scope Sensitivity.
    """

    reads: ClassVar = Format.TORCH
    writes: ClassVar = Format.TORCH

    dataset: Name
    """Samples to measure on: with labels by Top1, without by agreement with the whole model. Must
    differ from the evaluation's."""
    samples: Annotated[int, Field(ge=1, le=1_000_000)] = 512
    """At most so many, spread evenly over the data set."""
    share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Share of its channels, the least important by L2, that a layer loses."""

    def dataset_names(self) -> tuple[str, ...]:
        """Names of the data sets that the step needs."""
        return (self.dataset,)

    def apply(self, artifact: Artifact, context: Context) -> Artifact:
        """Measure, and leave the map beside the unchanged model.

        Facts: layers measured, samples, the quality of the whole model, and the layer that
        matters most with by how much quality falls without it.

        Raises:
            InvalidSpec: When no layer can be changed.
            BadInput: When the samples do not fit the model.
            Internal: UnsupportedModel, when the model cannot be followed.
        """
        import torch

        from lathe_steps.toolchains import sensitivity_map
        from lathe_steps.toolchains.networks import model, sensing

        torch.set_num_threads(context.threads)
        dataset = context.datasets[self.dataset]
        network = model.load(artifact)
        found, quality = sensing.rank(network, dataset, self.samples, self.share, context.progress)
        shutil.copytree(artifact.path, context.out, dirs_exist_ok=True)
        sensitivity_map.write(found, context.out)
        facts: dict[str, float | int | str] = {
            "quality": quality,
            "layers": len(found.layers),
            "samples": found.samples,
            "most_sensitive": found.layers[0].name,
            "largest_drop": found.layers[0].drop,
        }
        return replace(artifact, path=context.out, facts=facts, evidence=(found,))
