"""Somebody who types `kubectl lathe …` and reads, before a kubectl that knows some resources."""

from collections.abc import Mapping
from typing import Any

from lathe_kubectl import main
from lathe_kubectl.commands import Surroundings
from lathe_kubectl.kubectl import Document, Kubectl, KubectlFailed
from lathe_kubectl.seen import RESOURCES
from lathe_kubectl.text import plain
from tests import kubelet
from tests.builders import a_resource


class Recorded(Kubectl):
    """A kubectl that knows some resources, and remembers what it was told to do."""

    def __init__(self, *resources: Document) -> None:
        super().__init__()
        self.resources = {each["metadata"]["name"]: each for each in resources}
        self.told: list[tuple[str, ...]] = []

    def read(self, *arguments: str) -> Document:
        if arguments[1].startswith("jobs"):
            return {"items": []}
        if len(arguments) > 2 and not arguments[2].startswith("-"):
            return self._named(arguments[2])
        return {"items": list(self.resources.values())}

    def say(self, *arguments: str) -> str:
        self.told.append(arguments)
        if arguments[0] == "get":
            return "".join(f"{RESOURCES}/{name}\n" for name in self.resources)
        self._named(arguments[arguments.index(RESOURCES) + 1])
        return ""

    def _named(self, name: str) -> Document:
        if name not in self.resources:
            raise KubectlFailed(1, f'Error from server (NotFound): "{name}" not found')
        return self.resources[name]


def digits(name: str = "digits", **status: Any) -> Document:
    made = a_resource().named(name).document()
    metadata = {"name": name, "namespace": "team", "uid": "u", "creationTimestamp": kubelet.T0}
    return {**made, "metadata": metadata, "status": status}


class Terminal:
    """Somebody types commands, and reads."""

    def __init__(self, *resources: Document, environment: Mapping[str, str] | None = None) -> None:
        self.kubectl = Recorded(*resources)
        self.out: list[str] = []
        self.notes: list[str] = []
        self._around = Surroundings(
            self.kubectl, plain, self.out.append, self.notes.append, environment or {}
        )

    def type(self, *words: str) -> int:
        asked = main.parser().parse_args(words)
        return main.COMMANDS[asked.command](asked, self._around)
