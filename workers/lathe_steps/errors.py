"""How a run stops, as values: one class per exit code, a reason, and a line for the user.

Stopped
├── InvalidSpec     20: the resource asks for what cannot be; edit the resource
├── BadInput        30: the model or the data is not what the resource says; mend the object
├── Transient       40: the world is not ready; trying again may help
└── Internal        50: a step or the worker is at fault
"""

from typing import ClassVar

from lathe_steps.reasons import ExitCode, Reason


class Stopped(Exception):  # noqa: N818 - named by what happened, not by being an exception
    """The run cannot go on.

    Attributes:
        exit_code: The class of the failure, which decides whether a retry can help.
        reason: The CamelCase reason for conditions and Events.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.INTERNAL
    default_reason: ClassVar[Reason] = Reason.INTERNAL_ERROR

    def __init__(self, message: str, *, reason: Reason | None = None) -> None:
        """Stop with one line that names the path or object, and what to do next."""
        super().__init__(message)
        self.message = message
        self.reason = reason or self.default_reason


class InvalidSpec(Stopped):
    """The resource asks for something that cannot be done as it is written."""

    exit_code = ExitCode.INVALID_SPEC
    default_reason = Reason.INVALID_SPEC


class BadInput(Stopped):
    """A model or data set is missing, unreadable, unsafe, or not of the declared shape."""

    exit_code = ExitCode.BAD_INPUT
    default_reason = Reason.INVALID_MODEL


class Transient(Stopped):
    """Storage or the node failed in a way that another try may not meet."""

    exit_code = ExitCode.TRANSIENT
    default_reason = Reason.STORAGE_UNAVAILABLE


class Internal(Stopped):
    """A step, a toolchain or the worker itself failed."""

    exit_code = ExitCode.INTERNAL
    default_reason = Reason.STEP_FAILED
