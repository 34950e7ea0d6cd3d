"""A network as something that answers batches of arrays, for a judge."""

from collections.abc import Mapping

import numpy as np
import torch

from lathe_steps.base import Batch, Dataset
from lathe_steps.toolchains.judging import Answer, Judge
from lathe_steps.toolchains.networks import calls, samples
from lathe_steps.toolchains.networks.models.model import Network


def answers(network: Network, dataset: Dataset) -> Answer:
    """What a network gives first for the samples of a data set, in 32 bits."""

    def scores(inputs: Mapping[str, np.ndarray]) -> np.ndarray:
        tensors = samples.tensors_of(Batch(inputs, None), network.inputs, dataset.name)
        with torch.no_grad():
            first = next(iter(calls.call(network.module, tensors).values()))
        array: np.ndarray = first.float().numpy()
        return array

    return scores


def judge(network: Network, dataset: Dataset, samples_limit: int) -> Judge:
    """A judge that compares others with a network."""
    return Judge(dataset, samples_limit, answers(network, dataset))
