"""The file that a user runs: YAML with one ModelOptimization in it."""

from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lathe_api.chains import Finding
from lathe_api.v1alpha1.resource import KIND, ModelOptimization
from lathe_api.validation import Invalid, parse

MOST_BYTES = 1 << 20
"""No API server takes a larger resource."""


@dataclass(frozen=True, slots=True)
class ResourceFile:
    """A resource as a file holds it.

    Attributes:
        resource: The only ModelOptimization in the file.
        ignored: What else is in it, such as Secret/s3-creds.
    """

    resource: ModelOptimization
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that cannot be run.

    Attributes:
        file: As the user named it.
        findings: Why not; at least one.
    """

    file: Path
    findings: tuple[Finding, ...]

    def lines(self) -> tuple[str, ...]:
        """One line for each fault: the file, the place in it, and what to do."""
        return tuple(f"{self.file}: {finding}" for finding in self.findings)


def read(file: Path) -> ResourceFile | Refused:
    """Read the resource that a file holds; other objects in it are for the cluster only."""
    try:
        documents = _documents(_text(file))
        found = parse(_the_one(documents))
    except ValueError as error:
        return Refused(file, (Finding("", str(error), root=""),))
    if isinstance(found, Invalid):
        return Refused(file, found.findings)
    return ResourceFile(found, tuple(_called(each) for each in documents if _kind(each) != KIND))


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


def _documents(text: str) -> list[object]:
    """The YAML documents of a text, without empty ones.

    Raises:
        ValueError: With line and column, when it is no YAML.
    """
    try:
        return [each for each in yaml.load_all(text, Loader=_Strict) if each is not None]
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"is no YAML: {_said(error)}") from error


def _the_one(documents: list[object]) -> object:
    """The ModelOptimization, or the only document, where that does not say what it is.

    Raises:
        ValueError: When there is none, or more than one.
    """
    ours = [document for document in documents if _kind(document) == KIND]
    if len(ours) > 1:
        names = ", ".join(_name(document) for document in ours)
        raise ValueError(f"holds {len(ours)} of kind {KIND} ({names}): keep one in a file")
    if not ours and (len(documents) != 1 or isinstance(_kind(documents[0]), str)):
        raise ValueError(f"holds no {KIND}, but {', '.join(map(_called, documents)) or 'nothing'}")
    return ours[0] if ours else documents[0]


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


def _kind(document: object) -> object:
    return document.get("kind") if isinstance(document, dict) else None


def _name(document: object) -> str:
    metadata = document.get("metadata") if isinstance(document, dict) else None
    return str(metadata.get("name", "?")) if isinstance(metadata, dict) else "?"


def _called(document: object) -> str:
    kind = _kind(document)
    return f"{kind}/{_name(document)}" if isinstance(kind, str) else "a document without kind"
