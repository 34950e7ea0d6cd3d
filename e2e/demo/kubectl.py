"""kubectl with a cluster to talk to."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from e2e.localcluster.processes import run


@dataclass(frozen=True)
class Kubectl:
    """A program, and the kubeconfig it is given."""

    program: str
    kubeconfig: Path

    def command(self, *arguments: str) -> list[str]:
        """The words of one call."""
        return [self.program, f"--kubeconfig={self.kubeconfig}", *arguments]

    def __call__(self, *arguments: str, stdin: str | None = None) -> str:
        """Give what it printed; raises CommandError with what it said when it fails."""
        return run(*self.command(*arguments), stdin=stdin)

    def apply(self, *documents: Mapping[str, Any]) -> None:
        """Apply manifests given as data."""
        self("apply", "-f", "-", stdin=yaml.safe_dump_all(documents))

    def get(self, *arguments: str) -> dict[str, Any]:
        """Give one object, or a list of them, as data."""
        found: dict[str, Any] = json.loads(self("get", *arguments, "--output=json"))
        return found
