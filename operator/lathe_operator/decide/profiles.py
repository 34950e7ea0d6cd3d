"""What a resource asks for, with what it takes from a profile: as its run took it, or as it is."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lathe_api import profiles
from lathe_api.plan import plan_of
from lathe_api.v1alpha1.kinds import CLUSTER_PROFILE, PROFILE
from lathe_api.v1alpha1.resource import ModelOptimization
from lathe_api.v1alpha1.spec import ProfileRef
from lathe_api.v1alpha1.status import ModelOptimizationStatus, TakenProfile
from lathe_api.validation import Invalid, parse
from lathe_operator.decide import names, runs
from lathe_operator.profiles import Profile, Taken
from lathe_operator.values import Job, Resource

Document = Mapping[str, Any]


ADVICE = {
    PROFILE.name: "create it in this namespace, or refer to another",
    CLUSTER_PROFILE.name: (
        "create it, or refer to another (an operator that serves some namespaces sees those of the "
        "cluster only where LATHE_CLUSTER_PROFILES says so)"
    ),
}


@dataclass(frozen=True, slots=True)
class Known:
    """What there is to know about a resource before it is known what it asks for.

    Attributes:
        resource: What identifies it.
        document: What its user wrote.
        status: What the last decision wrote.
        jobs: Its Jobs, oldest first.
        profile: The profile that it refers to, as it is now; None where there is none.
    """

    resource: Resource
    document: Document
    status: ModelOptimizationStatus
    jobs: tuple[Job, ...] = ()
    profile: Profile | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What a resource asks for.

    Attributes:
        document: The resource with what it took, or every reason why it cannot be run.
        taken: What that was, and from which profile; None where it uses none.
    """

    document: ModelOptimization | Invalid
    taken: Taken | None = None


def resolved(known: Known) -> Asked:
    """Say what a resource asks for.

    What a run took stays with it for as long as the resource asks for the work that it does. Any
    other work takes the profile as it is now.
    """
    ref = profiles.referred_to(known.document)
    if ref is None:
        return Asked(parse(known.document))
    return _kept_by_status(known, ref) or _kept_by_job(known, ref) or _as_it_is(known, ref)


def traced(invalid: Invalid, taken: Taken | None) -> Invalid:
    """What is wrong with a resource, saying what of it came from a profile."""
    if taken is None:
        return invalid
    return profiles.traced(invalid, taken.paths, f"{taken.profile.kind}/{taken.profile.name}")


def _kept_by_status(known: Known, ref: ProfileRef) -> Asked | None:
    """What the run took that status speaks of, while it is the run that is asked for."""
    run = known.status.run
    if run is None or run.profile is None or not _is_named(run.profile, ref):
        return None
    asked = _with(known, run.profile)
    same = runs.answers(known.status, known.resource) or _work(asked, known.resource) == run.plan
    return asked if same else None


def _kept_by_job(known: Known, ref: ProfileRef) -> Asked | None:
    """What the run took whose Job was made before status could say so."""
    for job in reversed(known.jobs):
        taken = TakenProfile.model_validate_json(job.profile) if job.profile else None
        if taken is None or job.deleting or not _is_named(taken, ref):
            continue
        asked = _with(known, taken)
        work = _work(asked, known.resource)
        if work and names.label_of(work) == job.work:
            return asked
    return None


def _as_it_is(known: Known, ref: ProfileRef) -> Asked:
    """What a new run would take."""
    profile = known.profile
    if profile is None:
        return Asked(profiles.not_found(ref, ADVICE[ref.kind]))
    if too_large := profiles.too_large(ref, profile.spec):
        return Asked(too_large)
    taken = TakenProfile(
        kind=ref.kind,
        name=ref.name,
        uid=profile.uid,
        generation=profile.generation,
        spec=profile.spec,
    )
    return _with(known, taken)


def _with(known: Known, profile: TakenProfile) -> Asked:
    """The resource with what it takes from a profile."""
    filled = profiles.filled(known.document, json.loads(profile.spec))
    taken = Taken(profile, filled.taken, _deprecation(known.profile))
    found = parse(filled.document)
    return Asked(traced(found, taken) if isinstance(found, Invalid) else found, taken)


def _is_named(taken: TakenProfile, ref: ProfileRef) -> bool:
    return (taken.kind, taken.name) == (ref.kind, ref.name)


def _work(asked: Asked, resource: Resource) -> str | None:
    """The digest of the work that is asked for; None where nothing can be run."""
    if isinstance(asked.document, Invalid):
        return None
    spec, ref = asked.document.spec, resource.ref
    plan = plan_of(spec, namespace=ref.namespace, name=ref.name)
    return names.work_digest(plan, spec, resource.restart)


def _deprecation(profile: Profile | None) -> str:
    """What users of a profile are told that they should not use any more."""
    if profile is None or not profile.deprecated:
        return ""
    place = profile.place
    return profiles.warning(f"{place.kind}/{place.name}", profile.deprecated)
