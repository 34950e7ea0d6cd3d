"""Training with gradients: what the steps that train have in common."""

from typing import Annotated, Literal

from pydantic import Field

from lathe_steps.base import Parameters
from lathe_steps.words import Name


class Training(Parameters):
    """How a model is trained."""

    dataset: Name
    """Data set to train on; it needs labels unless the step says otherwise."""
    epochs: Annotated[int, Field(ge=1, le=10_000)] = 1
    """Passes over the data set."""
    max_steps: Annotated[int, Field(ge=1, le=100_000_000)] | None = None
    """Stop after this many batches, however many epochs that is."""
    batch_size: Annotated[int, Field(ge=1, le=65_536)] = 64
    """Samples per update."""
    optimizer: Literal["AdamW", "SGD"] = "AdamW"
    """SGD has Nesterov momentum 0.9."""
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 1e-3
    """Peak learning rate."""
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.01
    """Decoupled weight decay; not applied to biases and normalisation."""
    schedule: Literal["Cosine", "Constant"] = "Cosine"
    """Cosine falls from the peak to zero after a warm-up over the first 5 % of the batches."""
    precision: Literal["FP32", "BF16"] = "FP32"
    """Arithmetic of the forward pass; weights and updates stay in 32 bits."""


class Recovery(Training):
    """Training within a step, after each pass: from the input model and from labels."""

    temperature: Annotated[float, Field(gt=0, le=100)] = 4.0
    """How much the input model's outputs are softened."""
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.7
    """Weight of the input model's outputs against the labels; 0 needs no teacher, 1 no labels."""
