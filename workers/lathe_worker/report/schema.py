"""The JSON Schema of report.json, generated from its types and never edited.

Run `python -m lathe_worker.report.schema` to print it.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from lathe_worker.report.document import Report

Schema = dict[str, Any]

PLAN = "What was to be done, as the operator told the worker; no promise of this version."
_REFERENCE = "#/$defs/"
_ATTRIBUTE = re.compile(r"^    (\w+): ((?:.|\n        )+)", re.MULTILINE)


def schema() -> Schema:
    """What every report of this version keeps to.

    It says nothing of fields that it does not name: a version gains fields, and readers ignore
    what they do not know. A field that has no value is left out; none is null.
    """
    root: Schema = Report.model_json_schema()
    described: dict[str, Schema] = root.pop("$defs")
    described["Plan"] = {"type": "object", "description": PLAN}
    names = sorted(_reached(root, described))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": Report.model_fields["schema_version"].default,
        **_object(root),
        "$defs": {name: _object(described[name]) for name in names},
    }


def _object(node: Schema) -> Schema:
    """A type; what tells versions and kinds apart is always there."""
    kept = {key: value for key, value in node.items() if not _is_noise(key, value)}
    description, told = _told(str(node.get("description", "")))
    kept |= {"description": description} if description else {}
    if "properties" in kept:
        fields = {name: _field(each) for name, each in node["properties"].items()}
        constant = [name for name, each in fields.items() if "const" in each]
        kept["properties"] = {
            name: {"description": told[name], **each} if name in told else each
            for name, each in fields.items()
        }
        kept["required"] = [*constant, *node.get("required", ())]
    return kept


def _told(description: str) -> tuple[str, Mapping[str, str]]:
    """A docstring without its list of attributes, and what that says of each."""
    about, _, attributes = description.partition("\n\nAttributes:\n")
    found = _ATTRIBUTE.findall(attributes)
    return _absent(about), {name: _absent(" ".join(said.split())) for name, said in found}


def _absent(said: str) -> str:
    """None is what is not there, in JSON."""
    return re.sub(r"\bNone\b", "absent", said)


def _field(node: Schema) -> Schema:
    """A field; where it may be missing, it is never null."""
    kept = {key: value for key, value in node.items() if not _is_noise(key, value)}
    if "description" in kept:
        kept["description"] = _absent(kept["description"])
    alternatives = [each for each in kept.get("anyOf", ()) if each != {"type": "null"}]
    if len(alternatives) == 1:
        del kept["anyOf"]
        return {**_field(alternatives[0]), **kept}
    return kept


def _is_noise(key: str, value: object) -> bool:
    return key == "title" or (key, value) in (("default", None), ("additionalProperties", False))


def _reached(root: Schema, described: Mapping[str, Schema]) -> set[str]:
    """Names of the definitions that the schema speaks of, by way of others too."""
    known: set[str] = set()
    waiting = [root]
    while waiting:
        names = set(_references(waiting.pop())) - known
        known |= names
        waiting += [described[name] for name in names]
    return known


def _references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"].removeprefix(_REFERENCE)
        for value in node.values():
            yield from _references(value)
    if isinstance(node, list):
        for each in node:
            yield from _references(each)


def text() -> str:
    """The schema as a file."""
    return json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
