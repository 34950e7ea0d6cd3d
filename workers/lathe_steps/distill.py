"""Knowledge distillation: train the model to answer as the input model does."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lathe_steps.base import Artifact, Context, Format, Step
from lathe_steps.toolchains.training import Training


class Distill(Training, Step):
    """Recover quality from a teacher: Kullback-Leibler divergence of softened outputs.

    Loss = (1 - alpha) * cross entropy + alpha * T² * KL (Hinton et al., 2015). With alpha 1 the
    data set needs no labels.
    """

    reads: ClassVar = Format.TORCH
    writes: ClassVar = Format.TORCH
    trains: ClassVar = True
    checkpoints: ClassVar = True

    teacher: Literal["Input"] = "Input"
    """The model to learn from: Input is the model as it was before the first step."""
    temperature: Annotated[float, Field(gt=0, le=100)] = 4.0
    """How much the outputs are softened."""
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.7
    """Weight of the teacher against the labels."""

    def dataset_names(self) -> tuple[str, ...]:
        """Names of the data sets that the step needs."""
        return (self.dataset,)

    def labelled_dataset(self) -> str | None:
        """Name of the data set that the step needs labels of."""
        return self.dataset if self.alpha < 1 else None

    def apply(self, artifact: Artifact, context: Context) -> Artifact:
        """Train on the teacher's softened outputs and on the labels.

        Facts: updates, and the loss at the beginning and at the end.

        Raises:
            BadInput: When the data set does not fit the model.
            Internal: When the loss is no number any more.
        """
        import torch

        from lathe_steps.toolchains.networks import losses, model, trainer

        torch.set_num_threads(context.threads)
        network, teacher = model.load(artifact), model.load(context.source)
        dataset = context.datasets[self.dataset]
        loss = losses.distillation(
            teacher.module, dataset.name, temperature=self.temperature, alpha=self.alpha
        )
        course = trainer.Course("distill", self, dataset, context.seed, context.progress)
        return model.save(network, context.out, trainer.train(network, course, loss))
