"""A student of another architecture, with fresh weights."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from lathe_steps.errors import BadInput, InvalidSpec
from lathe_steps.toolchains.networks import calls
from lathe_steps.toolchains.networks.models import architectures, structure
from lathe_steps.toolchains.networks.models.model import Network

_FIELD = "distill.student.architecture"


def build(ref: str, args: Mapping[str, Any]) -> nn.Module:
    """Build an architecture with the weights that it starts from, in evaluation mode.

    Raises:
        InvalidSpec: When there is no such architecture, or it does not take these arguments.
    """
    try:
        return architectures.build(ref, args, field=_FIELD)
    except BadInput as error:  # a name that is not in the registry
        raise InvalidSpec(error.message, reason=error.reason) from error


def fresh(ref: str, args: Mapping[str, Any], teacher: Network, *, seed: int) -> Network:
    """Build a student with the weights that its architecture starts from, the same for a seed.

    Raises:
        InvalidSpec: When there is no such architecture, when it does not take these arguments or
            the teacher's inputs, or when its scores are of another shape.
    """
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        module = build(ref, args)
    network = Network(module, ref, dict(args), teacher.inputs, structure.blueprint(module))
    try:
        sizes = calls.workable_sizes(network.module, teacher.inputs)
        inputs = calls.random_inputs(teacher.inputs, sizes)
        given = _scores(network, inputs)
    except BadInput as error:
        said = error.message.removeprefix("model.inputs: ")
        raise InvalidSpec(f"{_FIELD}: {ref}: {said}", reason=error.reason) from error
    wanted = _scores(teacher, inputs)
    if given != wanted:
        raise InvalidSpec(
            f"{_FIELD}: {ref} gives scores of shape {given} where the teacher gives {wanted}; set "
            "its args so that they are the same, such as num_classes"
        )
    return network


def _scores(network: Network, inputs: calls.Tensors) -> list[int]:
    """Shape of the first output."""
    with torch.no_grad():
        return list(next(iter(calls.call(network.module, inputs).values())).shape)
