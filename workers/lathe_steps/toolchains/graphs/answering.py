"""What a graph answers, for a judge of candidates: the scores of its first output."""

from collections.abc import Callable, Mapping

import numpy as np

from lathe_steps.base import TensorSpec
from lathe_steps.errors import BadInput
from lathe_steps.reasons import Reason
from lathe_steps.toolchains.judging import Answer
from lathe_steps.toolchains.onnx_runtime import Session

Feed = Mapping[str, np.ndarray]


def answer_of(session: Session) -> Answer:
    """The scores that a loaded model gives, for any number of samples."""
    first = session.outputs[0].name
    return in_turns(session.inputs, lambda feed: session.run(feed)[first])


def in_turns(inputs: tuple[TensorSpec, ...], run: Callable[[Feed], np.ndarray]) -> Answer:
    """Answer as many samples as there are, with a model that may take a fixed number at once.

    Args:
        inputs: What the model takes.
        run: Runs it on that many, and gives the scores.
    """
    fixed = next((s.shape[0] for s in inputs if s.shape and isinstance(s.shape[0], int)), None)

    def answer(feed: Feed) -> np.ndarray:
        missing = [spec.name for spec in inputs if spec.name not in feed]
        if missing:
            raise BadInput(
                f"the samples hold no array for the model's input {missing[0]}; map it in the "
                "data set's inputs",
                reason=Reason.INVALID_DATASET,
            )
        count = len(next(iter(feed.values())))
        size = fixed or count
        parts = [_slice(feed, start, size) for start in range(0, count, size)]
        return np.concatenate([run(part) for part in parts])[:count]

    return answer


def _slice(feed: Feed, start: int, size: int) -> dict[str, np.ndarray]:
    found = {}
    for name, array in feed.items():
        part = array[start : start + size]
        filler = np.repeat(part[-1:], size - len(part), axis=0)
        found[name] = np.concatenate([part, filler]) if len(filler) else part
    return found
