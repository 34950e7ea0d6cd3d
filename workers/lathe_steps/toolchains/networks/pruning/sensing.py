"""Which layers of a network matter: each loses channels alone, and the answers are judged."""

from collections.abc import Callable, Sequence

from lathe_steps.base import Dataset
from lathe_steps.errors import InvalidSpec
from lathe_steps.evidence import MOST_LAYERS, LayerEffect, Sensitivity
from lathe_steps.toolchains.networks import answering, calls
from lathe_steps.toolchains.networks.models.model import Network
from lathe_steps.toolchains.networks.pruning import channels, heads

_IMPORTANCE = "L2"


def rank(
    network: Network,
    dataset: Dataset,
    samples: int,
    share: float,
    progress: Callable[[float, str], None],
) -> Sensitivity:
    """Let each layer alone lose its least important channels, and see by how much quality falls.

    Layers that can only lose channels together count as one, named after one of them. The
    network is as it was afterwards.

    Args:
        network: The model.
        dataset: Samples; without labels, the answers of the whole model are what is right.
        samples: How many of them.
        share: Share of a layer's channels that it loses.
        progress: Called with the share done and a short message.

    Returns:
        The map.

    Raises:
        InvalidSpec: When no layer of the model can lose channels.
        BadInput: When the samples do not fit the model.
        Internal: UnsupportedModel, when torch-pruning cannot follow the model.
    """
    module = network.module
    inputs = calls.random_inputs(network.inputs, calls.workable_sizes(module, network.inputs))
    dependencies = channels.Dependencies(module, inputs)
    fixed = heads.projections(module)
    groups = list(dependencies.groups(_IMPORTANCE, fixed))
    if not groups:
        raise InvalidSpec("sensitivity: no layer of the model can lose channels; leave it out")
    judge = answering.judge(network, dataset, samples)
    answer = answering.answers(network, dataset)
    effects = []
    for i, group in enumerate(groups):
        progress(i / len(groups), f"layer {i + 1}/{len(groups)}: {group.root}")
        doomed = group.channels(channels.least(group.scores, _count(group.scores, share)))
        with dependencies.silenced([(group.root, doomed)]):
            drop = judge.reference - judge.quality(answer)
        effects.append(LayerEffect(group.root, drop))
    effects.sort(key=lambda effect: -effect.drop)
    change = f"{share:.0%} of its channels silent"
    return Sensitivity(change, judge.metric, judge.samples, tuple(effects[:MOST_LAYERS]))


def _count(scores: Sequence[float], share: float) -> int:
    """How many units go: at least one, and never all."""
    return min(max(round(share * len(scores)), 1), len(scores) - 1)
