"""What may go wrong with a request, named by what happens next.

Failure
├── Rejected   the server refuses this very request: tell the user, or us
├── Gone       what it is about does not exist any more: there is nothing left to do
├── Waiting    something else must change first: look again after a while
└── Faulted    we or the world broke: back off and look again
"""

from datetime import timedelta


class Failure(Exception):  # noqa: N818 - named by what happened, not by being an exception
    """A request that did not do what was asked.

    Attributes:
        message: The server's words, or the client's.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Rejected(Failure):
    """The server understood and refused; asking again changes nothing by itself.

    Attributes:
        conflict: Whether another object stands in the way.
        terminating: Whether the namespace is being deleted.
    """

    def __init__(self, message: str, *, conflict: bool = False, terminating: bool = False) -> None:
        super().__init__(message)
        self.conflict = conflict
        self.terminating = terminating


class Gone(Failure):
    """The object, or its namespace, does not exist."""


class Waiting(Failure):
    """It is too early.

    Attributes:
        after: When to look again.
    """

    def __init__(self, message: str, *, after: timedelta) -> None:
        super().__init__(message)
        self.after = after


class Faulted(Failure):
    """The request failed for a reason that is no answer: a timeout, a broken connection, a 500."""
