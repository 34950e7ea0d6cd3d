"""Fine-tuning: train the model further on labelled data."""

from typing import ClassVar

from lathe_steps.base import Artifact, Context, Format, Step
from lathe_steps.evidence import Evidence
from lathe_steps.toolchains.training import Training


class Finetune(Training, Step):
    """Recover quality by training on labels."""

    reads: ClassVar = Format.TORCH
    writes: ClassVar = Format.TORCH
    trains: ClassVar = True
    checkpoints: ClassVar = True

    def labelled_datasets(self) -> tuple[str, ...]:
        """Names of the data sets that the step needs labels of."""
        return self.dataset_names()

    def apply(self, artifact: Artifact, context: Context) -> Artifact:
        """Train on labels; a killed attempt's training goes on from its last checkpoint.

        Facts: updates, the loss at the beginning and at the end; with early stop, the lowest loss
        on samples apart. Evidence: these as curves.

        Raises:
            BadInput: When a data set does not fit the model.
            Internal: When the loss is no number any more.
        """
        import torch

        from lathe_steps.toolchains.networks.models import model
        from lathe_steps.toolchains.networks.training import losses, trainer
        from lathe_steps.toolchains.networks.training.course import course_of

        torch.set_num_threads(context.threads)
        network = model.load(artifact)
        curves: list[Evidence] = []
        trail = trainer.Trail(context.checkpoints, curves.append)
        course = course_of("finetune", self, context, trail)
        loss = losses.labelled(self.loss, self.label_smoothing)
        facts = trainer.train(network, course, loss)
        return model.save(network, context.out, facts, curves)
