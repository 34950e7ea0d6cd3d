"""How the learning rate goes, as a function of how much is done."""

import math

from lathe_steps.toolchains.training import Training


def rate(settings: Training, done: int, total: int) -> float:
    """The learning rate of one update.

    Args:
        settings: Peak, schedule and warm-up.
        done: Updates before this one.
        total: Updates of the whole training.
    """
    peak = settings.learning_rate
    warm_up = round(settings.warm_up * total)
    if done < warm_up:
        return peak * (done + 1) / warm_up
    share = (done - warm_up) / max(1, total - warm_up)
    match settings.schedule:
        case "Constant":
            return peak
        case "Linear":
            return peak * (1 - share)
        case "Cosine":
            return peak * (1 + math.cos(math.pi * share)) / 2
