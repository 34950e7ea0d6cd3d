"""Names of nodes that people recognise: those of the layers they come from.

Users write them in `exclude`, and messages speak of them.
"""

import ast

import onnx

_SCOPES = "pkg.torch.onnx.name_scopes"


def after_layers(model: onnx.ModelProto) -> None:
    """Name every node of an exported model `<layer>/<operator>`, in place.

    A node with weights is named after the layer that owns them, any other after the layer in
    which it was traced; repeated names are numbered.
    """
    weights = {tensor.name for tensor in model.graph.initializer}
    for node in model.graph.node:
        layer = _owner(node, weights) or _scope(node)
        node.name = f"{layer}/{node.op_type}" if layer else node.op_type
    complete(model)


def complete(model: onnx.ModelProto) -> None:
    """Give every node of the main graph a name of its own, in place: names that are, numbered."""
    taken: set[str] = set()
    numbers: dict[str, int] = {}
    for node in model.graph.node:
        name = wanted = node.name or node.op_type
        while name in taken:
            numbers[wanted] = numbers.get(wanted, 1) + 1
            name = f"{wanted}_{numbers[wanted]}"
        node.name = name
        taken.add(name)


def _owner(node: onnx.NodeProto, weights: set[str]) -> str:
    for name in node.input:
        if name in weights and name.endswith(".weight"):
            return str(name).removesuffix(".weight")
    return ""


def _scope(node: onnx.NodeProto) -> str:
    """The innermost module around a node, as the exporter noted it."""
    for entry in node.metadata_props:
        if entry.key == _SCOPES:
            scopes: list[str] = ast.literal_eval(entry.value)
            return str(scopes[-2]) if len(scopes) > 1 else ""
    return ""
