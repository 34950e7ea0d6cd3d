"""The file that a user runs: YAML with a ModelOptimization in it, and the profile that it uses."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lathe_api.chains import Finding
from lathe_api.v1alpha1.resource import KIND, ModelOptimization
from lathe_api.validation import Invalid
from lathe_worker import profile_file
from lathe_worker.profile_file import Found
from lathe_worker.yaml_file import called, documents_of, kind_of, name_of


@dataclass(frozen=True, slots=True)
class ResourceFile:
    """A resource as a file holds it.

    Attributes:
        resource: The only ModelOptimization in the file, with what it took from its profile.
        ignored: What else is in it, such as Secret/s3-creds.
        warning: What is to be said although it can be run; empty where there is nothing.
    """

    resource: ModelOptimization
    ignored: tuple[str, ...] = ()
    warning: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that cannot be run.

    Attributes:
        file: As the user named it.
        findings: Why not; at least one.
    """

    file: Path
    findings: tuple[Finding, ...]

    def lines(self) -> tuple[str, ...]:
        """One line for each fault: the file, the place in it, and what to do."""
        return tuple(f"{self.file}: {finding}" for finding in self.findings)


def read(file: Path, profile: Path | None = None) -> ResourceFile | Refused:
    """Read the resource that a file holds; other objects in it are for the cluster only.

    Args:
        file: Its file, which may hold the profile that it refers to as well.
        profile: The file of that profile, if it is another.
    """
    try:
        documents = documents_of(file)
        ours = _the_one(documents)
    except ValueError as error:
        return _unreadable(file, error)
    try:
        known = documents_of(profile) if profile else documents
    except ValueError as error:
        return _unreadable(profile or file, error)
    found = profile_file.with_profile(ours, known)
    if isinstance(found, Invalid):
        return Refused(file, found.findings)
    return ResourceFile(found.resource, _ignored(documents, found), found.warning)


def _unreadable(file: Path, error: ValueError) -> Refused:
    return Refused(file, (Finding("", str(error), root=""),))


def _ignored(documents: Sequence[object], found: Found) -> tuple[str, ...]:
    return tuple(
        called(each) for each in documents if kind_of(each) != KIND and each is not found.profile
    )


def _the_one(documents: list[object]) -> object:
    """The ModelOptimization, or the only document, where that does not say what it is.

    Raises:
        ValueError: When there is none, or more than one.
    """
    ours = [document for document in documents if kind_of(document) == KIND]
    if len(ours) > 1:
        names = ", ".join(name_of(document) for document in ours)
        raise ValueError(f"holds {len(ours)} of kind {KIND} ({names}): keep one in a file")
    if not ours and (len(documents) != 1 or isinstance(kind_of(documents[0]), str)):
        raise ValueError(f"holds no {KIND}, but {', '.join(map(called, documents)) or 'nothing'}")
    return ours[0] if ours else documents[0]
