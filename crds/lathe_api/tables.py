"""Tables of fields, for the reference pages."""

import json
from collections.abc import Container, Iterator

from lathe_api.crd import Schema

_HEAD = ("| field | type | default | meaning |", "|---|---|---|---|")


def table(schema: Schema, under: str = "", *, without: Container[str] = ()) -> Iterator[str]:
    """The lines of a table, and an empty one; nothing for a type without fields: see `rows`."""
    found = list(rows(schema, under, without=without))
    if found:
        yield from (*_HEAD, *found, "")


def rows(schema: Schema, under: str = "", *, without: Container[str] = ()) -> Iterator[str]:
    """A row for each field of a type and of what is below it.

    Args:
        schema: The structural schema of the type.
        under: What paths begin with.
        without: Paths below which nothing is told.
    """
    required = schema.get("required", ())
    for name, field in schema.get("properties", {}).items():
        item = field.get("items", field)
        path = f"{under}{name}{'[]' if item is not field else ''}"
        words = field.get("description", "").replace("\n\n", " ").replace("|", "\\|")
        words, default = _split_default(words, field)
        default = "required" if name in required else default
        yield f"| `{path}` | {_type(item)} | {default} | {words} |"
        if path in without:
            continue
        yield from rows(item, f"{path}.", without=without)
        values = item.get("additionalProperties", {})
        yield from rows(values.get("items", values), f"{path}.*.", without=without)


def _split_default(words: str, field: Schema) -> tuple[str, str]:
    """Defaults within lists stand at the end of the description."""
    said, mark, told = words.rpartition(" Defaults to ")
    if mark:
        return said, f"`{told.removesuffix('.')}`"
    default = field.get("default")
    if default is None or default == {}:
        return words, ""
    return words, f"`{default if isinstance(default, str) else json.dumps(default)}`"


def _type(schema: Schema) -> str:
    if "enum" in schema:
        return " ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("x-kubernetes-int-or-string"):
        return "integer or string"
    if values := schema.get("additionalProperties"):
        return f"map of {_type(values.get('items', values))}{' lists' if 'items' in values else ''}"
    low, high = schema.get("minimum"), schema.get("maximum")
    kind = str(schema.get("type", "any"))
    if low is None and high is None:
        return kind
    open_low = "more than " if schema.get("exclusiveMinimum") else ""
    open_high = "less than " if schema.get("exclusiveMaximum") else ""
    bounds = [f"{open_low}{_spelled(low)}" if low is not None else ""]
    bounds.append(f"{open_high}{_spelled(high)}" if high is not None else "")
    return f"{kind}, {' to '.join(bounds)}".removesuffix(" to ")


def _spelled(number: float) -> str:
    """A whole number with all of its digits, without a point."""
    return str(int(number)) if number == int(number) else f"{number:g}"
