"""Fine-tuning: train the model further on labelled data."""

from typing import ClassVar

from lathe_steps.base import Format, Step
from lathe_steps.toolchains.training import Training


class Finetune(Training, Step):
    """Recover quality by training on labels with cross entropy."""

    reads: ClassVar = Format.TORCH
    writes: ClassVar = Format.TORCH
    trains: ClassVar = True

    def dataset_names(self) -> tuple[str, ...]:
        """Names of the data sets that the step needs."""
        return (self.dataset,)

    def labelled_dataset(self) -> str | None:
        """Name of the data set that the step needs labels of."""
        return self.dataset
