"""Training with gradients: what the steps that train have in common."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lathe_steps.base import Parameters, Rule
from lathe_steps.words import Name

LossKind = Literal["Auto", "CrossEntropy", "MeanSquaredError"]


class BatchGrowth(Parameters):
    """Batches that grow as training goes on: a steadier gradient instead of a smaller rate."""

    factor: Annotated[int, Field(ge=2, le=16)] = 2
    """By how much the batch size is multiplied each time."""
    every_epochs: Annotated[int, Field(ge=1, le=10_000)] = 1
    """After how many epochs it is multiplied."""
    max: Annotated[int, Field(ge=1, le=65_536)]
    """Largest batch size."""


class EarlyStop(Parameters):
    """Stop when the loss on samples apart from training falls no more; the best weights are kept.

    The weights before the first update count too, so that training never ends worse than it began.
    """

    dataset: Name
    """Data set to look at after each epoch; not the one that is trained on."""
    patience: Annotated[int, Field(ge=1, le=1_000)] = 3
    """Stop after so many epochs in a row without a new best."""
    min_delta: Annotated[float, Field(ge=0, le=1_000)] = 0.0
    """By how much the loss has to fall to count as a new best."""
    samples: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    """Look at so many samples, evenly spread; all of them when it is not given."""


class Training(Parameters):
    """How a model is trained."""

    rules: ClassVar = (
        Rule(
            "!has(self.earlyStop) || self.earlyStop.dataset != self.dataset",
            "earlyStop.dataset must be another data set than dataset",
            lambda it: it.early_stop is None or it.early_stop.dataset != it.dataset,
        ),
        Rule(
            "!has(self.batchGrowth) || "
            "self.batchGrowth.max > (has(self.batchSize) ? self.batchSize : 64)",
            "batchGrowth.max must be more than batchSize",
            lambda it: it.batch_growth is None or it.batch_growth.max > it.batch_size,
        ),
    )

    dataset: Name
    """Data set to train on; it needs labels unless the step says otherwise."""
    epochs: Annotated[int, Field(ge=1, le=10_000)] = 1
    """Passes over the data set."""
    max_steps: Annotated[int, Field(ge=1, le=100_000_000)] | None = None
    """Stop after this many batches, however many epochs that is."""
    batch_size: Annotated[int, Field(ge=1, le=65_536)] = 64
    """Samples per update."""
    batch_growth: BatchGrowth | None = None
    """Let the batch size grow from batchSize."""
    loss: LossKind = "Auto"
    """What is made small. Auto: cross entropy where labels are integers, which are class indices
    (those below 0 are left out); mean squared error where they are floating-point numbers. Classes
    are the last axis of the model's first output: [batch, classes] with labels [batch], or
    [batch, positions, classes] with labels [batch, positions]."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of each label that is spread evenly over all classes; for cross entropy."""
    optimizer: Literal["AdamW", "SGD"] = "AdamW"
    """SGD has Nesterov momentum 0.9."""
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 1e-3
    """Peak learning rate."""
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Decoupled weight decay; not applied to biases and normalisation."""
    schedule: Literal["Cosine", "Linear", "Constant"] = "Cosine"
    """How the rate falls from its peak after the warm-up: to zero, or not at all. Cosine with a
    warmUp of 0.3 is what others call one cycle."""
    warm_up: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Share of the batches over which the rate rises evenly to its peak."""
    clip_norm: Annotated[float, Field(gt=0, le=1e6)] | None = None
    """Scale gradients down to this norm, taken over all weights, where they are longer."""
    precision: Literal["FP32", "BF16"] = "FP32"
    """Arithmetic of the forward pass; weights and updates stay in 32 bits."""
    early_stop: EarlyStop | None = None
    """Stop early, and keep the best weights."""
    checkpoint_every: Annotated[int, Field(ge=1, le=100_000_000)] | None = None
    """Save after so many batches, so that a killed run goes on there. When it is not given, at the
    ends of epochs, as often as saving takes less than a fiftieth of the time."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    """Another number gives another order of the samples and other random choices."""

    def dataset_names(self) -> tuple[str, ...]:
        """Names of the data sets that the training needs."""
        return (self.dataset, *((self.early_stop.dataset,) if self.early_stop else ()))


class Recovery(Training):
    """Training within a step, after each pass: from the input model and from labels."""

    temperature: Annotated[float, Field(gt=0, le=100)] = 4.0
    """How much the input model's outputs are softened."""
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.7
    """Weight of the input model's outputs against the labels; 0 needs no teacher, 1 no labels."""

    def labelled_datasets(self) -> tuple[str, ...]:
        """Names of the data sets that the training needs labels of."""
        return self.dataset_names() if self.alpha < 1 else ()
