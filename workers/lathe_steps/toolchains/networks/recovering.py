"""Training within another step, to get back what a pass has cost."""

from collections.abc import Callable

from lathe_steps.base import Context
from lathe_steps.toolchains.networks import losses, model, trainer
from lathe_steps.toolchains.networks.model import Facts, Network
from lathe_steps.toolchains.training import Recovery


def recover(
    network: Network,
    recovery: Recovery,
    context: Context,
    *,
    step: str,
    progress: Callable[[float, str], None],
) -> Facts:
    """Train a network in place, on labels and on what the run's input model answers.

    Args:
        network: The model; its constraints are kept.
        recovery: How to train.
        context: Of the step; gives data set, teacher and seed.
        step: Kind of the step, for messages.
        progress: Called with the share of the training done and a short message.

    Returns:
        Facts, as `trainer.train` does.

    Raises:
        BadInput: When the data set does not fit the model.
        Internal: When the loss is no number any more.
    """
    dataset = context.datasets[recovery.dataset]
    loss = losses.cross_entropy(dataset.name)
    if recovery.alpha > 0:
        teacher = model.load(context.source).module
        loss = losses.distillation(
            teacher, dataset.name, temperature=recovery.temperature, alpha=recovery.alpha
        )
    course = trainer.Course(step, recovery, dataset, context.seed, progress)
    return trainer.train(network, course, loss)
