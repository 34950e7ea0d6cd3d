"""Documents as golden files: YAML that is reviewed as a diff."""

import re
from collections.abc import Callable

import yaml

Golden = Callable[[str, str], None]
"""The fixture `golden`: compares a text with a file under tests/golden, or rewrites it."""


class Plain(yaml.SafeDumper):
    """Writes what stands in two places twice: aliases are hard to read and to diff."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True


def as_yaml(document: object) -> str:
    """The document with sorted keys, so that only a change of it changes the text."""
    return yaml.dump(document, Dumper=Plain, sort_keys=True, width=100)


def without_digests(text: str) -> str:
    """The text with its digests masked, which change with every default of every step."""
    masked = re.sub(r"\b([0-9a-f]{64}|[0-9a-f]{32})\b", "<digest>", text)
    return re.sub(r"\bdigits-[0-9a-f]{8}\b", "digits-<digest>", masked)
