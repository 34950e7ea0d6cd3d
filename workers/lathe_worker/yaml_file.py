"""Files of YAML documents, as users give them to the command line."""

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

MOST_BYTES = 1 << 20
"""No API server takes a larger resource."""


def documents_of(file: Path) -> list[object]:
    """The YAML documents of a file, without empty ones.

    Raises:
        ValueError: With the reason, when it cannot be read or is no YAML.
    """
    try:
        return [each for each in yaml.load_all(_text(file), Loader=_Strict) if each is not None]
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"is no YAML: {_said(error)}") from error


def _text(file: Path) -> str:
    """The file's text.

    Raises:
        ValueError: With the reason, when there is none to be read.
    """
    try:
        with file.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise ValueError(f"cannot be read: {(error.strerror or str(error)).lower()}") from error
    if len(content) > MOST_BYTES:
        raise ValueError(f"has more than {MOST_BYTES} bytes: no cluster takes such a resource")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise ValueError("is no text: give the YAML file of a ModelOptimization") from error


class _Strict(yaml.SafeLoader):
    """Refuses a key that comes twice, which YAML forbids and PyYAML lets pass."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - as PyYAML calls it
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and key in seen and key_node.value != "<<":
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key} comes twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def _said(error: Exception) -> str:
    """What PyYAML found, and where, in one line."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    return " ".join(str(error).split()) or "it is nested too deeply"


def kind_of(document: object) -> object:
    """What a document says that it is."""
    return document.get("kind") if isinstance(document, dict) else None


def name_of(document: object) -> str:
    """What a document is called, for messages."""
    metadata = document.get("metadata") if isinstance(document, dict) else None
    return str(metadata.get("name", "?")) if isinstance(metadata, dict) else "?"


def called(document: object) -> str:
    """Kind and name of a document, for messages."""
    kind = kind_of(document)
    return f"{kind}/{name_of(document)}" if isinstance(kind, str) else "a document without kind"
