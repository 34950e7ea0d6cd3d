"""Calling a model by names: its inputs as the resource declares them, its outputs as mappings."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from lathe_steps.base import TensorSpec
from lathe_steps.errors import BadInput
from lathe_steps.reasons import Reason
from lathe_steps.toolchains import trials

Tensors = dict[str, torch.Tensor]
COMPLAINTS = (
    RuntimeError,
    TypeError,
    ValueError,
    LookupError,
    ArithmeticError,
    AttributeError,
    AssertionError,
)
"""What the code of a model raises when it does not take its inputs."""


def call(module: nn.Module, inputs: Mapping[str, torch.Tensor]) -> Tensors:
    """Run a model.

    Args:
        module: Any module whose outputs are tensors in tuples, lists, mappings or alone.
        inputs: Tensors by name, in the declared order. They are passed by keyword when all of
            the names are parameters of `forward`, else by position.

    Returns:
        The outputs, named as `named` does.
    """
    args, kwargs = arguments(module, inputs)
    return named(module(*args, **kwargs))


def arguments(
    module: nn.Module, inputs: Mapping[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments of `forward` for inputs by name, in the order of the inputs."""
    parameters = inspect.signature(module.forward).parameters
    if all(name in parameters for name in inputs):
        return (), dict(inputs)
    return tuple(inputs.values()), {}


def named(outputs: Any) -> Tensors:  # noqa: ANN401 - whatever a model returns
    """Tensors of an output by name, in the order in which they stand in it.

    A lone tensor is `output`; items of a tuple or list are numbered; fields of a named tuple and
    keys of a mapping are names; nested names are joined with a dot. What is no tensor is left out.
    """
    found = list(_walk(outputs, ()))
    if len(found) == 1 and not found[0][0]:
        return {"output": found[0][1]}
    return {".".join(path): tensor for path, tensor in found}


def _walk(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], torch.Tensor]]:  # noqa: ANN401
    if isinstance(value, torch.Tensor):
        yield path, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _walk(item, (*path, str(key)))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        fields = getattr(value, "_fields", None) or [f"output_{i}" for i in range(len(value))]
        for field, item in zip(fields, value, strict=True):
            yield from _walk(item, (*path, str(field)))


def random_inputs(
    inputs: Sequence[TensorSpec], sizes: Mapping[str, int], *, seed: int = 0
) -> Tensors:
    """Repeatable inputs, as `trials.random_arrays` makes them."""
    arrays = trials.random_arrays(inputs, sizes, seed=seed)
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def arrays_of(tensors: Mapping[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """The same values as arrays of the same names."""
    return {name: tensor.detach().numpy() for name, tensor in tensors.items()}


def single(inputs: Sequence[TensorSpec], sizes: Mapping[str, int]) -> dict[str, int]:
    """The same sizes of the dynamic axes, but for a batch of one sample."""
    return {**sizes, **dict.fromkeys(trials.batch_axes(inputs), 1)}


def workable_sizes(module: nn.Module, inputs: Sequence[TensorSpec]) -> dict[str, int]:
    """Find sizes of the dynamic axes with which the model runs.

    Raises:
        BadInput: ShapeMismatch, when the model does not take the declared inputs;
            UnsupportedModel, when it returns no tensor.
    """
    problem: Exception | None = None
    for sizes in trials.sizes_to_try(inputs):
        try:
            with torch.no_grad():
                outputs = call(module, random_inputs(inputs, sizes))
        except COMPLAINTS as error:
            problem = problem or error
            continue
        if outputs:
            return sizes
        raise BadInput(
            "model.architecture: the model returns no tensor", reason=Reason.UNSUPPORTED_MODEL
        )
    shapes = ", ".join(f"{s.name} {s.dtype}{list(s.shape)}" for s in inputs)
    raise BadInput(
        f"model.inputs: the architecture does not take {shapes}: "
        f"{str(problem).partition(chr(10))[0]}",
        reason=Reason.SHAPE_MISMATCH,
    ) from problem
