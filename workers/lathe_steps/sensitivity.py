"""Sensitivity: how much each layer matters, for people to look at and for steps to follow."""

import shutil
from dataclasses import replace
from typing import Annotated, ClassVar

from pydantic import Field

from lathe_steps import evidence
from lathe_steps.base import Artifact, Context, Format, Step
from lathe_steps.words import Name


class Sensitivity(Step):
    """Measure what changing each layer alone does to quality; the model passes unchanged.

    Each layer alone is changed: of a torch model it loses channels, of an ONNX graph it is rounded
    to 8 bits. The step after it can follow the map: prune with scope Sensitivity, or quantize with
    accuracy.
    """

    reads: ClassVar = Format.TORCH
    writes: ClassVar = Format.TORCH

    dataset: Name
    """Samples to measure on: with labels by Top1, without by agreement with the whole model. Must
    differ from the evaluation's."""
    samples: Annotated[int, Field(ge=1, le=1_000_000)] = 512
    """At most so many, spread evenly over the data set."""
    share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    """Share of its channels, the least important by L2, that a layer of a torch model
    loses; nothing to an ONNX graph."""
    calibration: Name | None = None
    """Samples that show the ranges of an ONNX graph's activations; those of `dataset` when it is
    not given."""

    @classmethod
    def takes(cls, given: Format) -> bool:
        """It reads torch models and ONNX graphs."""
        return given in {Format.TORCH, Format.ONNX}

    @classmethod
    def gives(cls, given: Format) -> Format:
        """It writes what it reads."""
        return given

    def dataset_names(self) -> tuple[str, ...]:
        """Names of the data sets that the step needs."""
        return (self.dataset, *((self.calibration,) if self.calibration else ()))

    def apply(self, artifact: Artifact, context: Context) -> Artifact:
        """Measure, and leave the map beside the unchanged model.

        Facts: layers measured, samples, and the layer that matters most, with by how much quality
        falls when it is changed.

        Raises:
            InvalidSpec: When no layer can be changed, or the graph is quantised already.
            BadInput: When the samples do not fit the model.
            Internal: UnsupportedModel, when the model cannot be followed.
        """
        from lathe_steps.toolchains import sensitivity_map

        of = self._of_network if artifact.format is Format.TORCH else self._of_graph
        found = of(artifact, context)
        shutil.copytree(artifact.path, context.out, dirs_exist_ok=True)
        sensitivity_map.write(found, context.out)
        facts: dict[str, float | int | str] = {
            "layers": len(found.layers),
            "samples": found.samples,
            "most_sensitive": found.layers[0].name,
            "largest_drop": found.layers[0].drop,
        }
        return replace(artifact, path=context.out, facts=facts, evidence=(found,))

    def _of_network(self, artifact: Artifact, context: Context) -> evidence.Sensitivity:
        import torch

        from lathe_steps.toolchains.networks.models import model
        from lathe_steps.toolchains.networks.pruning import sensing

        torch.set_num_threads(context.threads)
        dataset = context.datasets[self.dataset]
        network = model.load(artifact)
        return sensing.rank(network, dataset, self.samples, self.share, context.progress)

    def _of_graph(self, artifact: Artifact, context: Context) -> evidence.Sensitivity:
        from lathe_steps.toolchains.graphs import sensitivity

        return sensitivity.rank(
            artifact,
            context.datasets[self.dataset],
            self.samples,
            calibration=context.datasets[self.calibration or self.dataset],
            threads=context.threads,
            progress=context.progress,
        )
