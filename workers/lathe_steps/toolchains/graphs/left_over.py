"""What quantisation left in floating point, and why."""

from collections import Counter
from collections.abc import Sequence

import onnx

from lathe_steps.errors import Internal
from lathe_steps.reasons import Reason
from lathe_steps.toolchains.graphs.few_bits import Blocks
from lathe_steps.toolchains.graphs.lowering import Form

_WEIGHTY = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""Operators that cost most; those that are left are what few bits did not reach."""
_MOVING = frozenset(
    {
        "MaxPool",
        "GlobalMaxPool",
        "Reshape",
        "Flatten",
        "Squeeze",
        "Unsqueeze",
        "Transpose",
        "Slice",
        "Split",
        "Concat",
        "Gather",
        "Shape",
        "Constant",
        "Cast",
        "Identity",
        "Expand",
        "ConstantOfShape",
        "Pad",
        "Where",
        "Size",
        "Range",
        "Equal",
        "Not",
        "Tile",
    }
)
"""Operators that only move values, or choose among them."""
_INTEGER = ("QLinear", "QGemm", "QuantizeLinear", "DequantizeLinear", "MatMulNBits", "Dynamic")
_NAMED = 6
"""Names, or kinds, that the facts tell of each reason."""

Facts = dict[str, float | int | str]


def told(
    model: onnx.ModelProto,
    form: Form | Blocks,
    asked: Sequence[str],
    for_accuracy: Sequence[str],
    *,
    static: bool,
) -> Facts:
    """Count the nodes in few bits and in floating point, and say why the latter are.

    Args:
        model: The quantised model.
        form: How it was quantised.
        asked: Nodes that the user excluded.
        for_accuracy: Nodes that were excluded so that the model stays as good.
        static: Whether activations have calibrated ranges, so that all that can was quantised.

    Raises:
        Internal: UnsupportedModel, when there are none in few bits.
    """
    nodes = model.graph.node
    pairs = form.spelling == "QDQ"
    wide = {out for n in nodes if n.op_type == "DequantizeLinear" for out in n.output if pairs}
    integer = [node for node in nodes if _is_integer(node, wide)]
    if not integer:
        raise Internal(
            "quantize: nothing in the graph could be quantised", reason=Reason.UNSUPPORTED_MODEL
        )
    done = {node.name for node in integer}
    left = [n for n in nodes if n.name not in done and not n.op_type.startswith(_INTEGER)]
    weighty = [node for node in left if node.op_type in _WEIGHTY]
    told: Facts = {
        "format": form.spelling,
        "integer_nodes": len(integer),
        "floating_nodes": len(weighty),
    }
    chosen = {*asked, *for_accuracy}
    kinds = Counter(n.op_type for n in left if n.name not in chosen and n.op_type not in _MOVING)
    reasons = [
        _reason("excluded", list(asked)),
        _reason("for accuracy", [name for name in for_accuracy if name not in asked]),
        _reason(
            "no form in 8 bits" if static else "left by this mode",
            [f"{kind} x{count}" for kind, count in kinds.most_common()],
        ),
    ]
    if any(reasons):
        told["left_in_floating_point"] = "; ".join(filter(None, reasons))
    return told


def _is_integer(node: onnx.NodeProto, wide: set[str]) -> bool:
    """Whether a node computes in few bits, or has pairs before it that say so."""
    kind = node.op_type
    if kind in {"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"} | _MOVING:
        return False
    if kind.startswith(_INTEGER) or "Integer" in kind:
        return True
    telling = node.input[1:2] if kind in _WEIGHTY else node.input
    return bool(telling) and wide.issuperset(telling)


def _reason(why: str, names: list[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{why}: {', '.join(names[:_NAMED])}{more}"
