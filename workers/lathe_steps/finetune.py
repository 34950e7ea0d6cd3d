"""Fine-tuning: train the model further on labelled data."""

from typing import ClassVar

from lathe_steps.base import Artifact, Context, Format, Step
from lathe_steps.toolchains.training import Training


class Finetune(Training, Step):
    """Recover quality by training on labels with cross entropy."""

    reads: ClassVar = Format.TORCH
    writes: ClassVar = Format.TORCH
    trains: ClassVar = True
    checkpoints: ClassVar = True

    def dataset_names(self) -> tuple[str, ...]:
        """Names of the data sets that the step needs."""
        return (self.dataset,)

    def labelled_dataset(self) -> str | None:
        """Name of the data set that the step needs labels of."""
        return self.dataset

    def apply(self, artifact: Artifact, context: Context) -> Artifact:
        """Train with cross entropy.

        Facts: updates, and the loss at the beginning and at the end.

        Raises:
            BadInput: When the data set does not fit the model.
            Internal: When the loss is no number any more.
        """
        import torch

        from lathe_steps.toolchains.networks import losses, model, trainer

        torch.set_num_threads(context.threads)
        network = model.load(artifact)
        dataset = context.datasets[self.dataset]
        course = trainer.Course("finetune", self, dataset, context.seed, context.progress)
        facts = trainer.train(network, course, losses.cross_entropy(dataset.name))
        return model.save(network, context.out, facts)
