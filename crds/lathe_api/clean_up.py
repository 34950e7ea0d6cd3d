"""What is to be removed with a resource: the private protocol of operator and clean-up worker."""

import json
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from lathe_api.v1alpha1.storage import S3URI, Storage
from lathe_steps.base import Parameters, Rule

RunKey = Annotated[str, Field(max_length=64, pattern=r"^[0-9a-f]{64}$")]


class CleanUp(Parameters):
    """Everything that the clean-up needs to know, and nothing else."""

    rules: ClassVar = (
        Rule(
            "self.output.endsWith('/')",
            "output must end in '/'",
            lambda it: it.output.endswith("/"),
        ),
    )

    protocol: Literal[1] = 1
    namespace: str
    name: str
    storage: Storage = Storage()
    output: S3URI
    """The prefix under which everything lies that may be removed."""
    pointer: str | None = None
    """Name of the object under it that points to the newest result."""
    keys: Annotated[tuple[RunKey, ...], Field(min_length=1, max_length=32)]
    """Of the resource's runs."""

    def dumped(self) -> str:
        """The document as canonical JSON."""
        document = self.model_dump(mode="json", exclude_none=True)
        return json.dumps(document, sort_keys=True, separators=(",", ":"))
