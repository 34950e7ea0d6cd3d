"""scikit-learn's handwritten digits: 1,797 images of 8x8, as they come in its package."""

import numpy as np
from sklearn.datasets import load_digits

from benchmarks.compression.tasks.samples import Samples, Split

TEST = 450
CALIBRATION = 128


def load(seed: int) -> Split:
    """Cut the digits anew for each seed: a quarter to measure on; float32 in 0…1, shape (n, 64)."""
    digits = load_digits()
    images = (digits.data / 16).astype(np.float32)
    labels = digits.target.astype(np.int64)
    order = np.random.default_rng(seed).permutation(len(images))
    test, calib, train = np.split(order, (TEST, TEST + CALIBRATION))
    cut = [Samples(images[rows], labels[rows]) for rows in (train, calib, test)]
    return Split(*cut)
