"""How much the loss would change without a weight, to first order.

A weight's importance is (gradient x weight)², averaged over batches; that of a channel or a head
is the sum over its weights (Molchanov et al., 2019: Importance Estimation for Neural Network
Pruning).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from lathe_steps.base import Batch, Dataset
from lathe_steps.toolchains.networks import answering, calls, samples
from lathe_steps.toolchains.networks.models.model import Network
from lathe_steps.toolchains.networks.training import losses

_BATCH = 32


@dataclass(frozen=True, slots=True)
class Evidence:
    """Samples that show what matters.

    Attributes:
        dataset: The samples; without labels, the answers of `source` are what is right.
        samples: How many of them, spread evenly over the data set.
        source: The run's input model; None when only the samples matter.
    """

    dataset: Dataset
    samples: int
    source: Network | None

    def batches(self) -> Iterator[Batch]:
        """The samples, with labels where there are any or where there is a source."""
        for batch in self.dataset.batches(_BATCH, limit=self.samples):
            labels = batch.labels
            if labels is None and self.source is not None:
                answer = answering.answers(self.source, self.dataset)
                labels = answer(batch.inputs).argmax(axis=-1).astype(np.int64)
            yield Batch(batch.inputs, labels)


def importances(network: Network, evidence: Evidence) -> Mapping[str, torch.Tensor]:
    """Importance of every weight, by parameter, of its shape; zeros where nothing depends on it.

    Raises:
        BadInput: When samples or labels do not fit the model.
    """
    loss = losses.cross_entropy(evidence.dataset.name)
    parameters = dict(network.module.named_parameters())
    sums = {name: torch.zeros_like(parameter) for name, parameter in parameters.items()}
    batches = 0
    for batch in evidence.batches():
        inputs = samples.tensors_of(batch, network.inputs, evidence.dataset.name)
        scores = next(iter(calls.call(network.module, inputs).values())).float()
        gradients = torch.autograd.grad(
            loss(scores, inputs, batch), list(parameters.values()), allow_unused=True
        )
        for (name, parameter), gradient in zip(parameters.items(), gradients, strict=True):
            if gradient is not None:
                sums[name] += (gradient * parameter.detach()).square()
        batches += 1
    return {name: total / batches for name, total in sums.items()}


@contextmanager
def instead(module: nn.Module, values: Mapping[str, torch.Tensor]) -> Iterator[None]:
    """Let importances stand in for the weights, so that norms of weights are sums of them."""
    parameters = dict(module.named_parameters())
    held = {name: parameters[name].detach().clone() for name in values}
    with torch.no_grad():
        for name, value in values.items():
            parameters[name].copy_(value)
    try:
        yield
    finally:
        with torch.no_grad():
            for name, was in held.items():
                parameters[name].copy_(was)
