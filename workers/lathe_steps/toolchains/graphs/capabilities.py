"""Which nodes of a graph may compute in which type, as ONNX's own operator schemas say."""

from collections.abc import Mapping, Sequence

import onnx
from onnx import defs

_SPELLED: Mapping[int, str] = {
    onnx.TensorProto.FLOAT: "tensor(float)",
    onnx.TensorProto.FLOAT16: "tensor(float16)",
    onnx.TensorProto.BFLOAT16: "tensor(bfloat16)",
}


class Schemas:
    """Types that operators take, at the versions that a model imports."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._versions: Mapping[str, int] = {
            entry.domain: entry.version for entry in model.opset_import
        }

    def takes(self, node: onnx.NodeProto, position: int, element: int) -> bool:
        """Whether an input of a node may have this element type; unknown operators take none."""
        schema = self._schema(node)
        if schema is None:
            return False
        return _allows(schema, _formal(schema.inputs, position), element)

    def gives(self, node: onnx.NodeProto, position: int, element: int) -> bool:
        """Whether an output of a node may have this element type."""
        schema = self._schema(node)
        if schema is None:
            return False
        return _allows(schema, _formal(schema.outputs, position), element)

    def _schema(self, node: onnx.NodeProto) -> defs.OpSchema | None:
        version = self._versions.get(node.domain)
        if version is None or not defs.has(node.op_type, node.domain):
            return None
        try:
            return defs.get_schema(node.op_type, version, node.domain)
        except defs.SchemaError:
            return None


def _formal(
    parameters: "Sequence[defs.OpSchema.FormalParameter]", position: int
) -> "defs.OpSchema.FormalParameter":
    """The declared parameter at a position; the last one may stand for any number of them."""
    return parameters[min(position, len(parameters) - 1)]


def _allows(
    schema: defs.OpSchema, parameter: "defs.OpSchema.FormalParameter", element: int
) -> bool:
    for constraint in schema.type_constraints:
        if constraint.type_param_str == parameter.type_str:
            return _SPELLED[element] in constraint.allowed_type_strs
    return bool(parameter.type_str == _SPELLED[element])
