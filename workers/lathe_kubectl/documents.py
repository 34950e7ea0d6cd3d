"""JSON that another version may have written: what is not there is empty, never an error."""

from collections.abc import Iterator, Mapping
from typing import Any

Document = Mapping[str, Any]


def dig(document: Document, *path: str) -> Any:  # noqa: ANN401 - JSON
    """What stands at a path; None where there is nothing."""
    found: Any = document
    for key in path:
        if not isinstance(found, Mapping):
            return None
        found = found.get(key)
    return found


def word(document: Document, *path: str) -> str:
    """What stands at a path, as text; empty where there is nothing."""
    found = dig(document, *path)
    return "" if found is None else str(found)


def items(document: Document, *path: str) -> Iterator[Document]:
    """The objects of the list that stands at a path."""
    found = dig(document, *path)
    yield from (item for item in found or () if isinstance(item, Mapping))


def condition(resource: Document, kind: str) -> Document:
    """The condition of that type; empty where there is none."""
    told = items(resource, "status", "conditions")
    return next((each for each in told if each.get("type") == kind), {})
