"""Publishing: what users load first, reports and manifest after it, the pointer last."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from lathe_api.v1alpha1.spec import Output
from lathe_api.v1alpha1.status import ArtifactStatus
from lathe_steps.base import Artifact
from lathe_steps.reasons import ExitCode
from lathe_worker.digests import FOLDER_DIGITS, of_bytes
from lathe_worker.kept import FileRecord
from lathe_worker.manifest import LIMIT, NAME, Manifest
from lathe_worker.report import Report, render
from lathe_worker.report.document import HTML_NAME, JSON_NAME
from lathe_worker.store import Store

Progress = Callable[[float, str], None]

REJECTED = "rejected/"
"""Under the output's prefix: results that did not pass their gates."""


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
    """The manifest of a result that is complete; None when there is none that can be read.

    One that misses targets is not: the next run with the same key adds them.
    """
    if not store.exists(place.uri(NAME)):
        return None
    try:
        found = Manifest.model_validate_json(store.read_bytes(place.uri(NAME), limit=LIMIT))
    except ValidationError:
        return None
    return found if found.run_key == place.run_key and found.is_whole else None


def upload(
    store: Store, place: Place, finals: Mapping[str, Artifact], progress: Progress
) -> tuple[ArtifactStatus, ...]:
    """Bring each target's files where they belong; none counts before there is a manifest.

    Args:
        store: Where to.
        place: The run's folder.
        finals: What came out, by target.
        progress: Told the share done, and where to.
    """
    total = max(sum(artifact.size for artifact in finals.values()), 1)
    before, published = 0, []
    for target, artifact in finals.items():
        folder = place.uri(f"{target}/")
        told = _share(progress, before, total, folder)
        published += [
            ArtifactStatus(
                name=one.path.relative_to(artifact.path).as_posix(),
                target=target,
                uri=one.object.uri,
                digest=one.digest,
                bytes=one.object.size,
            )
            for one in store.upload_all(artifact.path, folder, progress=told)
        ]
        before += artifact.size
    return tuple(published)


def _share(progress: Progress, before: int, total: int, message: str) -> Callable[[int], None]:
    return lambda count: progress((before + count) / total, message)


def complete(store: Store, place: Place, report: Report) -> Manifest:
    """Write the report and then the manifest, which makes the result whole."""
    documents = {JSON_NAME: report.dumped(), HTML_NAME: render(report).encode()}
    for name, content in documents.items():
        store.write_bytes(place.uri(name), content)
    manifest = Manifest(
        run_key=report.run_key,
        exit_code=ExitCode.GATE_FAILED if place.rejected else ExitCode.OK,
        inputs=report.inputs,
        plan=report.plan,
        steps=report.steps,
        targets=report.targets,
        artifacts=report.artifacts,
        reports=_records(documents),
        metrics=report.measured.metrics if report.measured else (),
        gates=report.gates,
        summary=report.summary,
        environment=report.environment,
        made_on=report.made_on,
        manifest_uri=place.uri(NAME),
        report_uri=place.uri(HTML_NAME),
    )
    store.write_bytes(place.uri(NAME), manifest.dumped())
    return manifest


def point(store: Store, output: Output, manifest: Manifest) -> None:
    """Let the pointer lead to a whole result, if the plan asks for one and every gate passed."""
    if output.publish is None or not (manifest.gates.passed and manifest.is_whole):
        return
    document = {
        "schemaVersion": "lathe.dev/pointer/v1",
        "runKey": manifest.run_key,
        "manifestURI": manifest.manifest_uri,
    }
    content = json.dumps(document, sort_keys=True, indent=1).encode() + b"\n"
    store.write_bytes(f"{output.uri}{output.publish.pointer}", content)


def _records(documents: Mapping[str, bytes]) -> tuple[FileRecord, ...]:
    return tuple(
        FileRecord(name=name, digest=of_bytes(content), bytes=len(content))
        for name, content in documents.items()
    )
