"""The profile that a resource uses, among the documents that a user gives to the command line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from lathe_api import profiles
from lathe_api.v1alpha1.kinds import PROFILES
from lathe_api.v1alpha1.resource import ModelOptimization
from lathe_api.v1alpha1.spec import ProfileRef
from lathe_api.validation import Invalid, describe, parse
from lathe_worker.yaml_file import kind_of

ELSEWHERE = "add it to the file as another document, or give its file: --profile FILE"


@dataclass(frozen=True, slots=True)
class Found:
    """A resource that can be run.

    Attributes:
        resource: The resource, with what it took.
        profile: The document that it took that from; None where it uses no profile.
        warning: Why it should use another; empty where it may use this one.
    """

    resource: ModelOptimization
    profile: object = None
    warning: str = ""


def with_profile(resource: object, documents: Sequence[object]) -> Found | Invalid:
    """The resource with what it takes from its profile, which is one of the documents."""
    ref = profiles.referred_to(resource)
    if ref is None or not isinstance(resource, Mapping):
        found = parse(resource)
        return found if isinstance(found, Invalid) else Found(found)
    mappings = (each for each in documents if isinstance(each, Mapping))
    profile = next((each for each in mappings if _is(each, ref)), None)
    if profile is None:
        return profiles.not_found(ref, ELSEWHERE)
    return _faults(profile, ref) or _filled(resource, profile, ref)


def _filled(
    resource: Mapping[str, Any], profile: Mapping[str, Any], ref: ProfileRef
) -> Found | Invalid:
    """The resource with what it takes from a profile that is sound in itself."""
    called, spec = profiles.spelled(ref), profile["spec"]
    filled = profiles.filled(resource, spec)
    found = parse(filled.document)
    if isinstance(found, Invalid):
        return profiles.traced(found, filled.taken, called)
    deprecated = profiles.deprecation(spec)
    return Found(found, profile, profiles.warning(called, deprecated) if deprecated else "")


def _is(document: object, ref: ProfileRef) -> bool:
    """Whether a document is the profile that a resource refers to."""
    metadata = document.get("metadata") if isinstance(document, Mapping) else None
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    return (kind_of(document), name) == (ref.kind, ref.name)


def _faults(profile: object, ref: ProfileRef) -> Invalid | None:
    """What is wrong with a profile in itself."""
    envelope = next(kind.envelope for kind in PROFILES if kind.name == ref.kind)
    try:
        envelope.model_validate(profile)
    except ValidationError as error:
        found = describe(error, envelope)
        return Invalid(tuple(replace(each, root=_within(each.root, ref)) for each in found))
    return None


def _within(root: str, ref: ProfileRef) -> str:
    return f"{profiles.spelled(ref)}.{root}".rstrip(".")
