"""What a child process says to its parent: one JSON document per line."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from lathe_api.v1alpha1.status import Failure, Text
from lathe_steps.base import Parameters
from lathe_steps.errors import BadInput, Internal, InvalidSpec, Stopped, Transient
from lathe_steps.reasons import ExitCode

CLASSES: Mapping[int | None, type[Stopped]] = {
    ExitCode.INVALID_SPEC: InvalidSpec,
    ExitCode.BAD_INPUT: BadInput,
    ExitCode.TRANSIENT: Transient,
    ExitCode.INTERNAL: Internal,
}


class Told(Parameters):
    """How far a request is."""

    share: float
    """Share done, 0 to 1."""
    message: Text
    """What it is doing."""


class Line(Parameters):
    """One line: any number with progress or a checkpoint, then an answer, or what stopped it."""

    exactly_one_of: ClassVar = ("progress", "saved", "answer", "stopped")

    progress: Told | None = None
    saved: Path | None = None
    """A folder with how far the request is, for a later attempt at it."""
    answer: str | None = None
    """The answer as JSON."""
    stopped: Failure | None = None


def failure_of(stopped: Stopped) -> Failure:
    """An error as a value, that can travel."""
    return Failure(
        reason=stopped.reason, exit_code=stopped.exit_code.value, message=stopped.message
    )


def stopped_of(failure: Failure) -> Stopped:
    """The error that a value stands for."""
    kind = CLASSES.get(failure.exit_code, Internal)
    return kind(failure.message, reason=failure.reason)
