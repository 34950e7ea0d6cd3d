"""One pass of a batch through a model, to the number that training makes small."""

from dataclasses import dataclass

import torch

from lathe_steps.base import Batch
from lathe_steps.toolchains.networks import calls, samples
from lathe_steps.toolchains.networks.models.model import Network
from lathe_steps.toolchains.networks.training.losses import Loss, named


@dataclass(frozen=True, slots=True)
class Objective:
    """A loss of a network.

    Attributes:
        network: The model, on the device.
        loss: What is made small.
        device: Where it is computed.
        low: Whether the forward pass is in 16 bits.
    """

    network: Network
    loss: Loss
    device: torch.device
    low: bool

    def of(self, batch: Batch, dataset: str) -> tuple[torch.Tensor, torch.Tensor]:
        """The loss of a batch, a scalar, and the scores, [batch, ...] in 32 bits.

        Args:
            batch: Samples.
            dataset: Where they are from, for messages.

        Raises:
            BadInput: When they do not fit the model.
        """
        inputs = samples.tensors_of(batch, self.network.inputs, dataset)
        inputs = {name: tensor.to(self.device) for name, tensor in inputs.items()}
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.low):
            scores = next(iter(calls.call(self.network.module, inputs).values())).float()
            value = named(self.loss, dataset)(scores, inputs, batch)
        return value, scores
