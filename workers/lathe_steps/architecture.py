"""How users name the code of a torch model."""

from typing import Annotated, Any

from pydantic import Field

from lathe_steps.base import Parameters


class Architecture(Parameters):
    """The code of a torch model, by a name from a registry: never code itself."""

    ref: Annotated[str, Field(max_length=127, pattern=r"^[a-z0-9_]+(\.[A-Za-z0-9_]+)+$")]
    """Name in the registry, such as torchvision.resnet18; where the worker has these packages also
    timm.<model> and transformers.<class>, such as transformers.BertForSequenceClassification."""
    args: Annotated[dict[str, Any], Field(max_length=32)] = Field(default_factory=dict)
    """Arguments of the architecture, such as num_classes; for transformers the one argument config,
    such as {hidden_size: 128, num_labels: 3}. None may load weights or code."""
