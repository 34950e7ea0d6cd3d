"""A dependency graph that stops where a model rearranges channels by reshaping.

torch-pruning follows channels through layers, additions, concatenations and flattening. Through
the reshape, transpose, reshape of a channel shuffle or of attention windows it cannot: it fails,
or never ends. Here such a reshape is an end; what reaches it is not to be pruned.
"""

from typing import Any

import torch_pruning as tp

_MANY_AXES = 5
"""Layers for images have four axes at most; a fifth one splits channels or windows off."""
_REORDERS = ("Permute", "Transpose")


class DependencyGraph(tp.DependencyGraph):  # type: ignore[misc]  # torch-pruning has no types
    """torch-pruning's graph of dependencies, with `ends` where it cannot follow the channels."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: set[Any] = set()

    def _trace(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        nodes = super()._trace(*args, **kwargs)
        shuffles = _shuffles(nodes.values())
        for node in nodes.values():
            if node.grad_fn in shuffles:
                node.type = tp.ops.OPTYPE.ELEMENTWISE  # no index mapping is looked for
                self.ends.add(node)
        return nodes

    def _build_dependency(self, module2node: Any) -> None:  # noqa: ANN401
        super()._build_dependency(module2node)
        for node in self.ends:
            node.dependencies.clear()


def _shuffles(nodes: Any) -> set[Any]:  # noqa: ANN401
    """The reshapes before and after every reordering of many axes, as autograd's nodes."""
    found: set[Any] = set()
    for node in nodes:
        operation = node.grad_fn
        if _is_reshape(operation) and _axes(operation) >= _MANY_AXES:
            reordered = _through_copies(_first_input(operation))
            if _reorders(reordered):
                found |= {operation, reordered, _first_input(reordered)}
        elif _reorders(operation) and len(getattr(operation, "_saved_dims", ())) >= _MANY_AXES:
            found |= {operation, _first_input(operation)}
    return found


def _first_input(operation: Any) -> Any:  # noqa: ANN401
    inputs = getattr(operation, "next_functions", ())
    return inputs[0][0] if inputs else None


def _through_copies(operation: Any) -> Any:  # noqa: ANN401
    while operation is not None and operation.name().startswith("Clone"):
        operation = _first_input(operation)
    return operation


def _reorders(operation: Any) -> bool:  # noqa: ANN401
    return operation is not None and operation.name().startswith(_REORDERS)


def _is_reshape(operation: Any) -> bool:  # noqa: ANN401
    return operation is not None and "View" in operation.name()


def _axes(operation: Any) -> int:  # noqa: ANN401
    return len(getattr(operation, "_saved_self_sym_sizes", ()))
