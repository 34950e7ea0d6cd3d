"""The vocabulary: what a step is, and one module per step."""

from lathe_steps.base import (
    Artifact,
    Batch,
    Context,
    Dataset,
    Format,
    Parameters,
    Rule,
    Runtime,
    Step,
    TensorSpec,
)

__all__ = [
    "Artifact",
    "Batch",
    "Context",
    "Dataset",
    "Format",
    "Parameters",
    "Rule",
    "Runtime",
    "Step",
    "TensorSpec",
]
