"""What is known of profiles: where they are, what they say, and what a resource took of it."""

from dataclasses import dataclass

from lathe_api.v1alpha1.status import TakenProfile


@dataclass(frozen=True, slots=True, order=True)
class ProfilePlace:
    """Where a profile is; those of the cluster are in no namespace."""

    kind: str
    name: str
    namespace: str = ""


@dataclass(frozen=True, slots=True)
class Profile:
    """What the index keeps of a profile.

    Attributes:
        place: Where it is.
        uid: Tells it from its namesakes.
        version: The server's resourceVersion; grows with every write.
        generation: Grows with every change of the spec.
        spec: What it gives, as JSON.
        deprecated: Why resources should not use it any more; empty where they may.
    """

    place: ProfilePlace
    uid: str
    version: int
    generation: int
    spec: str
    deprecated: str = ""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a resource takes from a profile.

    Attributes:
        profile: The profile, as its run took it, or will.
        paths: What in the resource's spec comes from it.
        deprecated: Why the resource should use another profile; empty where it may use this one.
    """

    profile: TakenProfile
    paths: tuple[str, ...] = ()
    deprecated: str = ""
