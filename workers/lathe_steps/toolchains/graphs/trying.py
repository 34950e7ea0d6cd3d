"""Running a graph on random inputs, to see that a change of it changed nothing."""

from collections.abc import Mapping

import numpy as np

from lathe_steps.base import Artifact
from lathe_steps.errors import Internal
from lathe_steps.reasons import Reason
from lathe_steps.toolchains import trials
from lathe_steps.toolchains.graphs.comparison import Difference, largest_difference
from lathe_steps.toolchains.onnx_runtime import Session

Arrays = Mapping[str, np.ndarray]


def workable_inputs(session: Session, *, seed: int = 0) -> dict[str, np.ndarray]:
    """Random inputs that the model runs on; other values for another seed.

    Raises:
        Internal: When it runs on none of the sizes that are usual.
    """
    problem: Internal | None = None
    for sizes in trials.sizes_to_try(session.inputs):
        inputs = trials.random_arrays(session.inputs, sizes, seed=seed)
        try:
            session.run(inputs)
        except Internal as error:
            problem = problem or error
            continue
        return inputs
    raise problem or Internal("the model has no inputs")


def compare(
    before: Artifact,
    after: Artifact,
    step: str,
    *,
    tolerance: float,
    threads: int,
    batches: int = 1,
) -> Difference:
    """Compare two models on random inputs.

    Args:
        before: What was changed.
        after: What it became.
        step: Who changed it, for messages.
        tolerance: Largest difference that passes, relative to an output's largest value.
        threads: CPU threads.
        batches: How many inputs to try.

    Raises:
        Internal: ConversionMismatch, when an output differs by more.
    """
    original, changed = Session(before, threads), Session(after, threads)
    worst = Difference("", 0.0)
    for seed in range(batches):
        inputs = workable_inputs(original, seed=seed)
        found = largest_difference(original.run(inputs), changed.run(inputs))
        worst = max(worst, found, key=lambda it: it.relative)
    if not worst.relative <= tolerance:
        raise Internal(
            f"{step}: {worst.output} changed by {worst.relative:.2g} of its largest value; leave "
            "the step out",
            reason=Reason.CONVERSION_MISMATCH,
        )
    return worst
