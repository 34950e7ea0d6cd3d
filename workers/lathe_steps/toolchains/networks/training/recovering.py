"""Training within another step, to get back what a pass has cost."""

from collections.abc import Callable

from lathe_steps.base import Context
from lathe_steps.toolchains.networks.models import model
from lathe_steps.toolchains.networks.models.model import Facts, Network
from lathe_steps.toolchains.networks.training import losses, trainer
from lathe_steps.toolchains.networks.training.course import Trail, course_of
from lathe_steps.toolchains.networks.training.losses import Loss
from lathe_steps.toolchains.training import Recovery

_NO_TRAIL = Trail()


def recover(
    network: Network,
    recovery: Recovery,
    context: Context,
    *,
    step: str,
    progress: Callable[[float, str], None],
    trail: Trail = _NO_TRAIL,
) -> Facts:
    """Train a network in place, on labels and on what the run's input model answers.

    Args:
        network: The model; its constraints are kept.
        recovery: How to train.
        context: Of the step; gives data sets, teacher and seed.
        step: Kind of the step, for messages.
        progress: Called with the share of the training done and a short message.
        trail: Where it keeps how far it is (`saved.Part`), and whom it tells its curves.

    Returns:
        Facts, as `trainer.train` does.

    Raises:
        BadInput: When a data set does not fit the model.
        Internal: When the loss is no number any more.
    """
    course = course_of(step, recovery, context, trail, progress)
    return trainer.train(network, course, loss_of(recovery, context))


def loss_of(recovery: Recovery, context: Context) -> Loss:
    """What recovery makes small: the distance from labels, from the input model, or from both."""
    hard = losses.labelled(recovery.loss, recovery.label_smoothing)
    if recovery.alpha == 0:
        return hard
    return losses.taught(
        losses.Teacher(model.load(context.source).module),
        hard,
        kind=recovery.loss,
        temperature=recovery.temperature,
        alpha=recovery.alpha,
    )
