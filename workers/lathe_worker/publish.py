"""Publishing: results first, the manifest after them, the pointer last."""

from dataclasses import dataclass

from pydantic import ValidationError

from lathe_api.v1alpha1.spec import Output
from lathe_api.v1alpha1.status import ArtifactStatus
from lathe_steps.base import Artifact
from lathe_worker.digests import FOLDER_DIGITS
from lathe_worker.manifest import LIMIT, NAME, Manifest
from lathe_worker.store import Progress, Store

REJECTED = "rejected/"
"""Under the output's prefix: what did not pass its gates."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run's results go.

    Attributes:
        output: As the plan says it.
        run_key: Digest of everything that decides the result.
        rejected: Whether the results did not pass their gates.
    """

    output: Output
    run_key: str
    rejected: bool = False

    @property
    def folder(self) -> str:
        """The prefix of everything that the run publishes but the pointer."""
        under = REJECTED if self.rejected else ""
        return f"{self.output.uri}{under}{self.run_key[:FOLDER_DIGITS]}/"

    def uri(self, name: str) -> str:
        """Where a file of the run is."""
        return f"{self.folder}{name}"


def find(store: Store, place: Place) -> Manifest | None:
    """The manifest of a run that is complete already; None when there is none that can be read."""
    if not store.exists(place.uri(NAME)):
        return None
    try:
        found = Manifest.model_validate_json(store.read_bytes(place.uri(NAME), limit=LIMIT))
    except ValidationError:
        return None
    return found if found.run_key == place.run_key else None


def upload(
    store: Store, place: Place, target: str, artifact: Artifact, progress: Progress | None = None
) -> tuple[ArtifactStatus, ...]:
    """Publish a target's files, where nobody looks before there is a manifest."""
    return tuple(
        ArtifactStatus(
            name=one.path.relative_to(artifact.path).as_posix(),
            target=target,
            uri=one.object.uri,
            digest=one.digest,
            bytes=one.object.size,
        )
        for one in store.upload_all(artifact.path, place.uri(f"{target}/"), progress=progress)
    )
