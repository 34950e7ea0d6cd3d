"""Running a graph on random inputs, to see that a change of it changed nothing."""

from collections.abc import Mapping

import numpy as np

from lathe_steps.errors import Internal
from lathe_steps.toolchains import trials
from lathe_steps.toolchains.onnx_runtime import Session

Arrays = Mapping[str, np.ndarray]


def workable_inputs(session: Session) -> dict[str, np.ndarray]:
    """Random inputs that the model runs on.

    Raises:
        Internal: When it runs on none of the sizes that are usual.
    """
    problem: Internal | None = None
    for sizes in trials.sizes_to_try(session.inputs):
        inputs = trials.random_arrays(session.inputs, sizes)
        try:
            session.run(inputs)
        except Internal as error:
            problem = problem or error
            continue
        return inputs
    raise problem or Internal("the model has no inputs")
