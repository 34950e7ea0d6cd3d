"""Sequences of tokens, generated: what does the first half speak about?

Each of 32 topics has 16 words of its own among 256 tokens. Most tokens of a sequence are chance.
Some of the first half are of the topic that is asked for, as many of the second half are of
another one: word and place decide together.
"""

import numpy as np

from benchmarks.compression.tasks.samples import Samples, Split

LENGTH, VOCABULARY, TOPICS, WORDS = 128, 256, 32, 16
SHARE = 0.45
"""Of the tokens that are a topic's."""
CALIBRATION = 256


def load(train: int = 8_000, test: int = 4_000) -> Split:
    """Generate three sets from seeds of their own; int64, shape (n, 128)."""
    return Split(generated(train, 21), generated(CALIBRATION, 22), generated(test, 23))


def generated(count: int, seed: int) -> Samples:
    """Generate sequences and the topic of the first half of each."""
    words = np.random.default_rng(20).integers(VOCABULARY, size=(TOPICS, WORDS))
    chance = np.random.default_rng(seed)
    labels = chance.integers(TOPICS, size=count)
    others = (labels + chance.integers(1, TOPICS, size=count)) % TOPICS
    topics = np.repeat(np.stack([labels, others], axis=1), LENGTH // 2, axis=1)
    spoken = words[topics, chance.integers(WORDS, size=topics.shape)]
    noise = chance.integers(VOCABULARY, size=topics.shape)
    tokens = np.where(chance.random(topics.shape) < SHARE, spoken, noise)
    return Samples(tokens.astype(np.int64), labels.astype(np.int64))
