"""A judge of documents by JSON Schema: types, unions, constants, and which fields there are."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

TYPES: Mapping[str, Callable[[object], bool]] = {
    "object": lambda it: isinstance(it, dict),
    "array": lambda it: isinstance(it, list),
    "string": lambda it: isinstance(it, str),
    "boolean": lambda it: isinstance(it, bool),
    "integer": lambda it: isinstance(it, int) and not isinstance(it, bool),
    "number": lambda it: isinstance(it, int | float) and not isinstance(it, bool),
}


def faults(document: object, schema: Schema) -> list[str]:
    """Where a document breaks a schema, or has a field that the schema does not name."""
    return list(_faults(document, schema, schema, "$"))


def _faults(it: Any, schema: Schema, root: Schema, at: str) -> Iterator[str]:
    if "$ref" in schema:
        yield from _faults(it, root["$defs"][schema["$ref"].rpartition("/")[2]], root, at)
    yield from _of_union(it, schema, root, at)
    if "type" in schema and not TYPES[schema["type"]](it):
        yield f"{at}: {it!r} is no {schema['type']}"
    elif it not in schema.get("enum", [it]) or it != schema.get("const", it):
        yield f"{at}: {it!r} is not allowed"
    elif isinstance(it, dict):
        yield from _of_object(it, schema, root, at)
    elif isinstance(it, list):
        yield from _of_array(it, schema, root, at)


def _of_union(it: Any, schema: Schema, root: Schema, at: str) -> Iterator[str]:
    for union in ("anyOf", "oneOf"):
        tried = [list(_faults(it, each, root, at)) for each in schema.get(union, ())]
        if tried and all(tried):
            yield from min(tried, key=len)


def _of_object(it: dict[str, Any], schema: Schema, root: Schema, at: str) -> Iterator[str]:
    yield from (f"{at}: {name} is missing" for name in schema.get("required", ()) if name not in it)
    named, others = schema.get("properties"), schema.get("additionalProperties")
    for name, value in it.items():
        if named is not None and name in named:
            yield from _faults(value, named[name], root, f"{at}.{name}")
        elif isinstance(others, dict):
            yield from _faults(value, others, root, f"{at}.{name}")
        elif named is not None and others is not True:
            yield f"{at}: {name} is not known"


def _of_array(it: list[Any], schema: Schema, root: Schema, at: str) -> Iterator[str]:
    first = schema.get("prefixItems", ())
    for i, (value, each) in enumerate(zip(it, first, strict=False)):
        yield from _faults(value, each, root, f"{at}[{i}]")
    if "items" in schema:
        for i, value in enumerate(it[len(first) :], start=len(first)):
            yield from _faults(value, schema["items"], root, f"{at}[{i}]")
    if not schema.get("minItems", 0) <= len(it) <= schema.get("maxItems", len(it)):
        yield f"{at}: {len(it)} items"
