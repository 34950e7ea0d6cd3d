"""What status says of the targets of a run whose stages have Jobs of their own."""

from dataclasses import dataclass

from lathe_api.v1alpha1.status import State, TargetStatus
from lathe_operator.decide.situation import Situation
from lathe_steps.reasons import Reason

SILENT = frozenset({Reason.SUCCEEDED, Reason.IN_PROGRESS, Reason.PENDING})
"""Reasons that say no more than the state does."""
ENDED = frozenset({"Succeeded", "Failed"})


@dataclass(frozen=True, slots=True)
class Place:
    """Where a target is made.

    Attributes:
        job: The stage's Job.
        found: Where the stage is.
        state: The same in a word.
    """

    job: str | None
    found: Situation
    state: State


def told(
    name: str, place: Place, known: TargetStatus | None, published: TargetStatus | None
) -> TargetStatus:
    """Where a target is.

    Args:
        name: Of the target.
        place: Where it is made.
        known: What status said of it.
        published: What the last stage says of it; only it knows what was published.
    """
    if published is not None and published.state == "Succeeded":
        return published.model_copy(update={"job": place.job})
    found = _by_its_stage(name, place, known)
    if published is not None and found.state != "Failed":
        return published.model_copy(update={"job": place.job})
    return found


def _by_its_stage(name: str, place: Place, known: TargetStatus | None) -> TargetStatus:
    """What the stage, by its worker or by its end, says of a target."""
    outcome, found = place.found.outcome, place.found
    by_name = {it.name: it for it in outcome.targets} if outcome else {}
    if name in by_name:
        return by_name[name].model_copy(update={"job": place.job})
    if known is not None and known.state in ENDED and place.state in ENDED:
        return known
    silent = found.reason in SILENT
    return TargetStatus(
        name=name,
        state=place.state,
        job=place.job,
        executed=False,
        reason=None if silent else found.reason,
        message="" if silent else found.message,
    )


def reason_of(word: str | None, otherwise: Reason) -> Reason:
    """The reason of that name; a worker's image may say anything."""
    return Reason(word) if word is not None and word in set(Reason) else otherwise
