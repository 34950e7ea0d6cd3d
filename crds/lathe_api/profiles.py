"""What a resource takes from a profile: what it does not say itself."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from lathe_api.chains import Finding
from lathe_api.v1alpha1.spec import ProfileRef
from lathe_api.v1alpha1.status import MAX_PROFILE
from lathe_api.validation import Invalid
from lathe_steps.reasons import Reason

Document = Mapping[str, Any]

WHOLE = ("steps", "targets")
"""Lists of the spec that come from the profile where the resource has none."""
SECTIONS = (
    ("evaluation",),
    ("storage", "s3"),
    ("run",),
    ("scheduling",),
    ("worker",),
    ("output",),
)
"""Parts of the spec of which each field comes from the profile where the resource has none. A field
is taken whole: nothing is merged within it."""


@dataclass(frozen=True, slots=True)
class Filled:
    """A resource with what it took from a profile.

    Attributes:
        document: The resource.
        taken: Paths in its spec of what came from the profile.
    """

    document: Document
    taken: tuple[str, ...] = ()


def referred_to(document: object) -> ProfileRef | None:
    """The profile that a resource refers to, if it refers to one in a way that can be read."""
    try:
        return ProfileRef.model_validate(_at(_at(document, "spec"), "profileRef"))
    except ValidationError:
        return None


def filled(document: Document, profile: Document) -> Filled:
    """Put into a resource what it does not say and the spec of a profile does.

    Neither has to be valid: what is no mapping stays as it is, for those who check the result.
    """
    spec = document.get("spec")
    if not isinstance(spec, Mapping):
        return Filled(document)
    made, taken = dict(spec), []
    for name in WHOLE:
        if profile.get(name) and not made.get(name):
            made[name] = profile[name]
            taken.append(name)
    for path in SECTIONS:
        taken += _fill(made, profile, path)
    return Filled({**document, "spec": made}, tuple(taken))


def _fill(spec: dict[str, Any], profile: object, path: Sequence[str]) -> list[str]:
    """Fill one section of a spec, and say what was put into it."""
    given: object = profile
    for name in path:
        given = _at(given, name)
    if not isinstance(given, Mapping) or not given:
        return []
    first, *rest = path
    own = spec.get(first)
    if own is not None and not isinstance(own, Mapping):
        return []
    if rest:
        inner = dict(own or {})
        taken = _fill(inner, {rest[0]: given}, rest)
        spec[first] = inner
        return [f"{first}.{each}" for each in taken]
    new = {name: value for name, value in given.items() if (own or {}).get(name) is None}
    spec[first] = {**(own or {}), **new}
    return [f"{first}.{name}" for name in new] if own else [first]


def _at(document: object, name: str) -> object:
    return document.get(name) if isinstance(document, Mapping) else None


def traced(invalid: Invalid, taken: Sequence[str], profile: str) -> Invalid:
    """The same findings, those about what was taken from a profile saying so."""
    return replace(
        invalid, findings=tuple(_traced(each, taken, profile) for each in invalid.findings)
    )


def _traced(found: Finding, taken: Sequence[str], profile: str) -> Finding:
    path = next((path for path in taken if _is_within(found.path, path)), None)
    if path is None:
        return found
    source = f"spec.{path} is taken from {profile}"
    return replace(found, message=f"{found.message} ({source})")


def _is_within(path: str, whole: str) -> bool:
    return path == whole or path.startswith((f"{whole}.", f"{whole}["))


def spelled(profile: ProfileRef) -> str:
    """As users and kubectl name it."""
    return f"{profile.kind}/{profile.name}"


def not_found(profile: ProfileRef, advice: str) -> Invalid:
    """What is said of a resource whose profile is not there."""
    message = f"there is no {spelled(profile)}: {advice}"
    return Invalid((Finding("profileRef", message),), Reason.PROFILE_NOT_FOUND)


def deprecation(spec: Document) -> str:
    """Why a profile should not be used any more, and what to use; empty where it may be used."""
    told = spec.get("deprecated") or {}
    instead = f"; use {told['replacedBy']}" if told.get("replacedBy") else ""
    return f"{told.get('message', '')}{instead}"


def warning(profile: str, deprecated: str) -> str:
    """What is said of a resource that uses a deprecated profile."""
    return f"uses {profile}, which is deprecated: {deprecated}"


def dumped(spec: Document) -> str:
    """The spec of a profile as canonical JSON, without what nobody takes."""
    kept = {name: value for name, value in spec.items() if name in _GIVEN}
    return json.dumps(kept, sort_keys=True, separators=(",", ":"))


def too_large(profile: ProfileRef, text: str) -> Invalid | None:
    """Why a profile cannot be kept with a run, if it cannot."""
    if len(text) <= MAX_PROFILE:
        return None
    message = (
        f"{spelled(profile)} has {len(text)} bytes, of which a run can keep {MAX_PROFILE}: "
        "use fewer steps or shorter lists"
    )
    return Invalid((Finding("profileRef", message),))


_GIVEN = frozenset({*WHOLE, *(path[0] for path in SECTIONS)})
