"""Samples of a task: what models are trained, calibrated and measured on."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Samples:
    """Inputs, first axis the sample, and the class of each as int64."""

    inputs: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        """How many there are."""
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class Split:
    """Three sets that share no sample."""

    train: Samples
    calib: Samples
    test: Samples
