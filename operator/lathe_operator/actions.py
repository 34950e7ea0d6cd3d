"""What is decided: actions, in their order, as frozen values."""

from dataclasses import dataclass
from datetime import timedelta

from lathe_operator.facts import Fact
from lathe_operator.values import Manifest, Version


@dataclass(frozen=True, slots=True)
class CreateJob:
    """Create a Job; where there is one of that name and of this resource, that is as good."""

    manifest: Manifest
    owner: str


@dataclass(frozen=True, slots=True)
class PatchJob:
    """Change fields of a Job's spec: hold it back, let it go on, give it another limit."""

    name: str
    uid: str
    spec: Manifest


@dataclass(frozen=True, slots=True)
class DeleteJob:
    """Delete a Job and its pods; the Job as the `last` of them, where that is asked for."""

    name: str
    uid: str
    last: bool = False


@dataclass(frozen=True, slots=True)
class ConfirmGone:
    """Do nothing that follows unless the server, too, knows no Job of that name."""

    name: str


@dataclass(frozen=True, slots=True)
class TryPod:
    """Ask the server, without creating anything, whether it would take the Job's pod."""

    job: str
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class PostEvent:
    """Say that something happened; where it was said before, that is as good."""

    manifest: Manifest


@dataclass(frozen=True, slots=True)
class PatchStatus:
    """Make every field of status but `progress` what the decision says, over what was seen."""

    seen: Version
    fields: Manifest


@dataclass(frozen=True, slots=True)
class SetFinalizers:
    """Make these all of the resource's finalizers, over what was seen."""

    seen: Version
    finalizers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DeleteResource:
    """Delete the resource itself, with everything that it owns."""

    uid: str


Action = (
    CreateJob
    | PatchJob
    | DeleteJob
    | ConfirmGone
    | TryPod
    | PostEvent
    | PatchStatus
    | SetFinalizers
    | DeleteResource
)


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be made true, in this order, and when to look again if nothing happens.

    Attributes:
        actions: What is to be done.
        again: When to look again.
        facts: What has happened once the actions are done.
    """

    actions: tuple[Action, ...] = ()
    again: timedelta | None = None
    facts: tuple[Fact, ...] = ()


NOTHING = Decision()
