"""The door to the cluster: the user's own kubectl, with its contexts, plugins and credentials."""

import json
import subprocess
from collections.abc import Sequence
from typing import Any

Document = dict[str, Any]
MISSING = 127
"""What shells call the end of a program that is not there."""


class KubectlFailed(Exception):  # noqa: N818 - named by what happened
    """kubectl did not do what was asked.

    Attributes:
        code: Its exit code.
        message: Its words.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


class Kubectl:
    """kubectl with the flags that say which cluster, and which namespace."""

    def __init__(self, flags: Sequence[str] = (), program: str = "kubectl") -> None:
        """Give `flags` to every call of `program`."""
        self._flags, self._program = tuple(flags), program

    def read(self, *arguments: str) -> Document:
        """What kubectl prints as JSON.

        Raises:
            KubectlFailed: With its words.
        """
        document: Document = json.loads(self.say(*arguments, "-o", "json"))
        return document

    def say(self, *arguments: str) -> str:
        """What kubectl prints.

        Raises:
            KubectlFailed: With its words.
        """
        done = self._run(arguments, output=subprocess.PIPE)
        if done.returncode:
            raise KubectlFailed(done.returncode, done.stderr.strip())
        return str(done.stdout)

    def show(self, *arguments: str) -> int:
        """Let kubectl print to the user itself; gives its exit code."""
        return self._run(arguments, output=None).returncode

    def _run(
        self, arguments: Sequence[str], output: int | None
    ) -> subprocess.CompletedProcess[str]:
        command = [self._program, *arguments[:1], *self._flags, *arguments[1:]]
        try:
            return subprocess.run(command, stdout=output, stderr=output, text=True, check=False)
        except FileNotFoundError:
            raise KubectlFailed(MISSING, f"there is no {self._program} on PATH") from None
