"""Calling a model by names: its inputs as the resource declares them, its outputs as mappings."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from lathe_steps.base import TensorSpec
from lathe_steps.errors import BadInput
from lathe_steps.reasons import Reason

Tensors = dict[str, torch.Tensor]

_BATCH = 2
"""Size of a dynamic first axis in samples: not 1, which exporters take for a constant."""
_SIZES = (64, 224, 299, 32, 16, 8)
"""Sizes to try for other dynamic axes; small ones are cheap, some networks need large ones."""


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
    """Repeatable inputs: normal floats, and integers and booleans that are 0 or 1.

    Args:
        inputs: What the model takes.
        sizes: Size of every dynamic axis.
        seed: Makes other values of the same shapes.
    """
    generator = torch.Generator().manual_seed(seed)
    made = {}
    for spec in inputs:
        shape = [axis if isinstance(axis, int) else sizes[axis] for axis in spec.shape]
        dtype: torch.dtype = getattr(torch, spec.dtype)
        if dtype.is_floating_point:
            made[spec.name] = torch.randn(shape, generator=generator).to(dtype)
        else:
            made[spec.name] = torch.randint(0, 2, shape, generator=generator).to(dtype)
    return made


def workable_sizes(module: nn.Module, inputs: Sequence[TensorSpec]) -> dict[str, int]:
    """Find sizes of the dynamic axes with which the model runs, the smallest that is usual.

    Raises:
        BadInput: ShapeMismatch, when the model does not take the declared inputs.
    """
    first = {s.shape[0] for s in inputs if s.shape and isinstance(s.shape[0], str)}
    rest = {axis for s in inputs for axis in s.shape[1:] if isinstance(axis, str)} - first
    problem: Exception | None = None
    for size in _SIZES if rest else _SIZES[:1]:
        sizes = {str(axis): _BATCH for axis in first} | dict.fromkeys(rest, size)
        try:
            with torch.no_grad():
                outputs = call(module, random_inputs(inputs, sizes))
        except (RuntimeError, TypeError, ValueError, IndexError, AssertionError) as error:
            problem = problem or error
            continue
        if outputs:
            return sizes
        raise BadInput("model.architecture: the model returns no tensor", reason=_UNSUPPORTED)
    shapes = ", ".join(f"{s.name} {s.dtype}{list(s.shape)}" for s in inputs)
    first_line = str(problem).partition("\n")[0]
    raise BadInput(
        f"model.inputs: the architecture does not take {shapes}: {first_line}",
        reason=Reason.SHAPE_MISMATCH,
    ) from problem


_UNSUPPORTED = Reason.UNSUPPORTED_MODEL
