"""From the pydantic types to the CustomResourceDefinitions, which are generated and never edited.

The API server wants a structural schema (KEP-2335): no references, no unions of types, no titles.
Run `python -m lathe_api.crd crds` to write them.
"""

import inspect
import sys
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin

import yaml
from pydantic import BaseModel

from lathe_api.v1alpha1.kinds import MODEL_OPTIMIZATION, SERVED, Kind
from lathe_api.v1alpha1.resource import GROUP, VERSION, Column
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


def crd(kind: Kind = MODEL_OPTIMIZATION) -> Schema:
    """The CustomResourceDefinition of a kind, as a document."""
    categories = {"categories": list(kind.categories)} if kind.categories else {}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": kind.scope,
            "names": {
                "kind": kind.name,
                "listKind": f"{kind.name}List",
                "plural": kind.plural,
                "singular": kind.name.lower(),
                "shortNames": list(kind.short_names),
                **categories,
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    **({"subresources": {"status": {}}} if kind.status else {}),
                    "additionalPrinterColumns": [_column(c) for c in kind.columns],
                    "schema": {"openAPIV3Schema": _root(kind)},
                }
            ],
        },
    }


def _root(kind: Kind) -> Schema:
    """The resource itself: what the API server owns of it, and what the types say.

    The server writes no default into a spec: what a user did not say, a profile can give.
    """
    rules = _rules(kind.envelope)
    return {
        "type": "object",
        "description": _one_paragraph(kind.envelope.__doc__ or ""),
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": structural(kind.spec, defaults=False),
            **({"status": structural(kind.status)} if kind.status else {}),
        },
        **({"x-kubernetes-validations": rules} if rules else {}),
    }


def _column(column: Column) -> Schema:
    wide = {"priority": column.priority} if column.priority else {}
    return {"name": column.name, "type": column.type, "jsonPath": column.path, **wide}


def structural(model: type[BaseModel], *, defaults: bool = True) -> Schema:
    """The structural schema of a type and of everything below it.

    Args:
        model: The type.
        defaults: Whether the server writes defaults, where no list is in the way.

    Raises:
        ValueError: When a string has no maxLength or a list no maxItems, which the API server
            needs to bound the cost of rules.
    """
    document = model.model_json_schema(mode="validation", by_alias=True)
    return _Rewriter(document.get("$defs", {}), _types_below(model)).rewrite(
        document, "", bare=not defaults
    )


class _Rewriter:
    """Turns pydantic's JSON schema into a structural one."""

    def __init__(self, definitions: dict[str, Schema], types: dict[str, type[BaseModel]]) -> None:
        self._definitions = definitions
        self._types = types

    def rewrite(self, node: Schema, path: str, *, bare: bool = False) -> Schema:
        """Rewrite one schema.

        Args:
            node: pydantic's schema.
            path: Where it is, for errors.
            bare: Whether the server must not write defaults: within a list, GitOps tools would
                see a drift for ever, since they compare lists as wholes.
        """
        description = node.get("description")
        node = self._resolved(node)
        made = self._of_type(node, path, bare=bare)
        if words := description or node.get("description"):
            made["description"] = _one_paragraph(words)
        _put_default(made, node, bare=bare)
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

    def _of_type(self, node: Schema, path: str, *, bare: bool) -> Schema:
        if "anyOf" in node:
            return _int_or_string(node, path)
        if "const" in node:
            return {"type": "string", "enum": [node["const"]]}
        match node.get("type"):
            case "object":
                return self._object(node, path, bare=bare)
            case "array":
                return self._array(node, path)
            case "string" | "integer" | "number" | "boolean":
                return _scalar(node, path)
            case None:
                return {"x-kubernetes-preserve-unknown-fields": True}
            case _:
                raise ValueError(f"{path}: no structural schema for {node}")

    def _object(self, node: Schema, path: str, *, bare: bool) -> Schema:
        made: Schema = {"type": "object", **_bounds(node)}
        if "properties" not in node:
            keyed = node.get("patternProperties", {"": node.get("additionalProperties", True)})
            ((pattern, values),) = keyed.items()
            if values is True:
                return {**made, "x-kubernetes-preserve-unknown-fields": True}
            made["additionalProperties"] = self.rewrite(values, f"{path}.*", bare=True)
            return {**made, **_key_rules(pattern)}
        if words := YAML_BOOLEANS & node["properties"].keys():
            raise ValueError(f"{path}: YAML 1.1 reads the name {min(words)} as true or false")
        made["properties"] = {
            name: self.rewrite(child, f"{path}.{name}", bare=bare)
            for name, child in node["properties"].items()
        }
        if node.get("required"):
            made["required"] = node["required"]
        rules = _rules(self._types.get(node.get("title", "")))
        return {**made, **({"x-kubernetes-validations": rules} if rules else {})}

    def _array(self, node: Schema, path: str) -> Schema:
        if "maxItems" not in node:
            raise ValueError(f"{path}: a list needs maxItems")
        items = self.rewrite(node["items"], f"{path}[]", bare=True)
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


def _put_default(made: Schema, node: Schema, *, bare: bool) -> None:
    """Let the server write the default, or say it where the server must not."""
    default = node.get("default")
    if default in (None, [], {}, ""):
        return
    if isinstance(default, dict):
        if not bare:
            made["default"] = {}
    elif bare:
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


def text(kind: Kind) -> str:
    """The CustomResourceDefinition of a kind, as the file holds it."""
    head = "# Generated by `make generate` from crds/lathe_api; do not edit.\n"
    return head + yaml.dump(crd(kind), None, _Plain, sort_keys=False, width=100, allow_unicode=True)


def main() -> None:
    """Write the CustomResourceDefinitions into the folder that is named."""
    for kind in SERVED:
        (Path(sys.argv[1]) / kind.file).write_text(text(kind))


if __name__ == "__main__":
    main()
