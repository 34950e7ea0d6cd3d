"""From the pydantic types to the CustomResourceDefinition, which is generated and never edited.

The API server wants a structural schema (KEP-2335): no references, no unions of types, no titles.
Run `python -m lathe_api.crd` to print it.
"""

import inspect
import sys
from enum import Enum
from types import UnionType
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel

from lathe_api.v1alpha1 import resource
from lathe_api.v1alpha1.spec import ModelOptimizationSpec
from lathe_api.v1alpha1.status import ModelOptimizationStatus
from lathe_steps.base import Parameters

Schema = dict[str, Any]
LIST_MAP_KEYS = "x-kubernetes-list-map-keys"
"""Marks, on a field, a list whose items are told apart by these keys."""

YAML_BOOLEANS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false"})
"""Names that kubectl's YAML does not read as text."""

_BOUNDS = (
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minLength",
    "maxLength",
    "pattern",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "format",
    "enum",
)


def crd() -> Schema:
    """The CustomResourceDefinition, as a document."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{resource.PLURAL}.{resource.GROUP}"},
        "spec": {
            "group": resource.GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": resource.KIND,
                "listKind": f"{resource.KIND}List",
                "plural": resource.PLURAL,
                "singular": resource.SINGULAR,
                "shortNames": list(resource.SHORT_NAMES),
                "categories": list(resource.CATEGORIES),
            },
            "versions": [
                {
                    "name": resource.VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [_column(c) for c in resource.COLUMNS],
                    "schema": {"openAPIV3Schema": _root()},
                }
            ],
        },
    }


def _root() -> Schema:
    """The resource itself: what the API server owns of it, and what the types say."""
    return {
        "type": "object",
        "description": _one_paragraph(resource.ModelOptimization.__doc__ or ""),
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": structural(ModelOptimizationSpec),
            "status": structural(ModelOptimizationStatus),
        },
        "x-kubernetes-validations": _rules(resource.ModelOptimization),
    }


def _column(column: resource.Column) -> Schema:
    wide = {"priority": column.priority} if column.priority else {}
    return {"name": column.name, "type": column.type, "jsonPath": column.path, **wide}


def structural(model: type[BaseModel]) -> Schema:
    """The structural schema of a type and of everything below it.

    Raises:
        ValueError: When a string has no maxLength or a list no maxItems, which the API server
            needs to bound the cost of rules.
    """
    document = model.model_json_schema(mode="validation", by_alias=True)
    return _Rewriter(document.get("$defs", {}), _types_below(model)).rewrite(document, "")


class _Rewriter:
    """Turns pydantic's JSON schema into a structural one."""

    def __init__(self, definitions: dict[str, Schema], types: dict[str, type[BaseModel]]) -> None:
        self._definitions = definitions
        self._types = types

    def rewrite(self, node: Schema, path: str, *, listed: bool = False) -> Schema:
        """Rewrite one schema.

        Args:
            node: pydantic's schema.
            path: Where it is, for errors.
            listed: Whether it lies within a list, where the server must not write defaults:
                GitOps tools compare lists as wholes, and would see a drift for ever.
        """
        description = node.get("description")
        node = self._resolved(node)
        made = self._of_type(node, path, listed=listed)
        if words := description or node.get("description"):
            made["description"] = _one_paragraph(words)
        _put_default(made, node, listed=listed)
        return made

    def _resolved(self, node: Schema) -> Schema:
        """Follow references and drop the null of an optional."""
        while True:
            if "$ref" in node:
                rest = {k: v for k, v in node.items() if k != "$ref"}
                node = {**self._definitions[node["$ref"].rsplit("/", 1)[-1]], **rest}
            elif options := self._options(node):
                rest = {k: v for k, v in node.items() if k not in {"anyOf", "default"}}
                kept = {"default": node["default"]} if node.get("default") is not None else {}
                node = {**options[0], **rest, **kept}
            else:
                return node

    @staticmethod
    def _options(node: Schema) -> list[Schema]:
        """The single way to write an optional; empty where there are several, or none."""
        options = [option for option in node.get("anyOf", []) if option.get("type") != "null"]
        return options if len(options) == 1 else []

    def _of_type(self, node: Schema, path: str, *, listed: bool) -> Schema:
        if "anyOf" in node:
            return _int_or_string(node, path)
        if "const" in node:
            return {"type": "string", "enum": [node["const"]]}
        match node.get("type"):
            case "object":
                return self._object(node, path, listed=listed)
            case "array":
                return self._array(node, path)
            case "string" | "integer" | "number" | "boolean":
                return _scalar(node, path)
            case None:
                return {"x-kubernetes-preserve-unknown-fields": True}
            case _:
                raise ValueError(f"{path}: no structural schema for {node}")

    def _object(self, node: Schema, path: str, *, listed: bool) -> Schema:
        made: Schema = {"type": "object", **_bounds(node)}
        if "properties" not in node:
            keyed = node.get("patternProperties", {"": node.get("additionalProperties", True)})
            ((pattern, values),) = keyed.items()
            if values is True:
                return {**made, "x-kubernetes-preserve-unknown-fields": True}
            made["additionalProperties"] = self.rewrite(values, f"{path}.*", listed=True)
            return {**made, **_key_rules(pattern)}
        if words := YAML_BOOLEANS & node["properties"].keys():
            raise ValueError(f"{path}: YAML 1.1 reads the name {min(words)} as true or false")
        made["properties"] = {
            name: self.rewrite(child, f"{path}.{name}", listed=listed)
            for name, child in node["properties"].items()
        }
        if node.get("required"):
            made["required"] = node["required"]
        rules = _rules(self._types.get(node.get("title", "")))
        return {**made, **({"x-kubernetes-validations": rules} if rules else {})}

    def _array(self, node: Schema, path: str) -> Schema:
        if "maxItems" not in node:
            raise ValueError(f"{path}: a list needs maxItems")
        items = self.rewrite(node["items"], f"{path}[]", listed=True)
        made = {"type": "array", **_bounds(node), "items": items}
        if keys := node.get(LIST_MAP_KEYS):
            return {**made, "x-kubernetes-list-type": "map", LIST_MAP_KEYS: keys}
        return {**made, "x-kubernetes-list-type": "atomic"}


def _scalar(node: Schema, path: str) -> Schema:
    unbounded = node["type"] == "string" and not {"enum", "maxLength"} & node.keys()
    if unbounded:
        raise ValueError(f"{path}: a string needs maxLength")
    return {"type": node["type"], **_bounds(node)}


def _int_or_string(node: Schema, path: str) -> Schema:
    kinds = sorted(option.get("type", "?") for option in node["anyOf"] if option)
    if [kind for kind in kinds if kind != "null"] != ["integer", "string"]:
        raise ValueError(f"{path}: only integer or string can be mixed, not {kinds}")
    text = next(option for option in node["anyOf"] if option.get("type") == "string")
    number = next(option for option in node["anyOf"] if option.get("type") == "integer")
    rules = []
    if pattern := text.get("pattern"):
        rules.append(
            {
                "rule": f"type(self) == int || self.matches({_literal(pattern)})",
                "message": f"a word must match {pattern}",
            }
        )
    if "minimum" in number:
        least = number["minimum"]
        rules.append(
            {"rule": f"type(self) != int || self >= {least}", "message": f"at least {least}"}
        )
    made: Schema = {"x-kubernetes-int-or-string": True, "maxLength": text["maxLength"]}
    return {**made, "x-kubernetes-validations": rules} if rules else made


def _key_rules(pattern: str) -> Schema:
    """The rule for the keys of a map, which a structural schema cannot say otherwise."""
    if not pattern:
        return {}
    rule = {
        "rule": f"self.all(key, key.matches({_literal(pattern)}))",
        "message": f"each key must match {pattern}",
    }
    return {"x-kubernetes-validations": [rule]}


def _literal(text: str) -> str:
    """The text as CEL writes it."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _bounds(node: Schema) -> Schema:
    """Bounds in the words of OpenAPI 3.0, whose exclusive bounds are flags."""
    bounds = {key: node[key] for key in _BOUNDS if key in node}
    for flag, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if flag in bounds:
            bounds[bound], bounds[flag] = bounds[flag], True
    return bounds


def _put_default(made: Schema, node: Schema, *, listed: bool) -> None:
    """Let the server write the default, or say it where the server must not."""
    default = node.get("default")
    if default in (None, [], {}, ""):
        return
    if isinstance(default, dict):
        if not listed:
            made["default"] = {}
    elif listed:
        spelled = ", ".join(map(str, default)) if isinstance(default, list) else default
        spelled = str(spelled).lower() if isinstance(spelled, bool) else spelled
        made["description"] = f"{made.get('description', '')} Defaults to {spelled}.".strip()
    else:
        made["default"] = default


def _one_paragraph(words: str) -> str:
    return "\n\n".join(" ".join(part.split()) for part in inspect.cleandoc(words).split("\n\n"))


def _rules(model: type[BaseModel] | None) -> list[Schema]:
    if model is None or not issubclass(model, Parameters):
        return []
    return [{"rule": rule.cel, "message": rule.message} for rule in model.every_rule()]


def _types_below(model: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """Every model type that a type is made of, by its name."""
    found: dict[str, type[BaseModel]] = {}
    waiting: list[Any] = [model]
    while waiting:
        annotation = waiting.pop()
        if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
            if annotation.__name__ not in found:
                found[annotation.__name__] = annotation
                waiting += [field.annotation for field in annotation.model_fields.values()]
        elif get_origin(annotation) is not None or isinstance(annotation, UnionType):
            waiting += [a for a in get_args(annotation) if not isinstance(a, Enum)]
    return found


class _Plain(yaml.SafeDumper):
    """Writes what stands in two places twice: aliases are hard to read and to diff."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


def main() -> None:
    """Print the CustomResourceDefinition as YAML."""
    sys.stdout.write("# Generated by `make generate` from crds/lathe_api; do not edit.\n")
    yaml.dump(crd(), sys.stdout, _Plain, sort_keys=False, width=100, allow_unicode=True)


if __name__ == "__main__":
    main()
