"""What is published of a version, written into one folder."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from e2e.helm import CHART, Helm
from e2e.localcluster.buildah import Buildah
from e2e.localcluster.images import REPOSITORY, VARIANT
from e2e.localcluster.processes import CommandError, run
from e2e.release.bill import bill
from e2e.release.contents import Contents

EXTRAS = {"operator": ("operator",), "worker": ("worker", VARIANT)}
"""What of the lock is in each image."""
CHECKSUMS = "SHA256SUMS"


class NotReleasableError(RuntimeError):
    """The checkout is not what a release is made of; the message says what to do."""


def version_of_the_tag(repository: Path = REPOSITORY) -> str:
    """The version that the present commit's tag names; NotReleasableError without such a tag."""
    try:
        described = run("git", "describe", "--exact-match", "--match=v*", cwd=repository).strip()
    except CommandError as error:
        raise NotReleasableError(
            "no tag names this commit: `git tag --annotate v<version>`, then run again"
        ) from error
    if run("git", "status", "--porcelain", cwd=repository).strip():
        raise NotReleasableError("the checkout is not what the tag names: commit or stash changes")
    return described.removeprefix("v")


@dataclass(frozen=True)
class Release:
    """One version, below `folder`, which has to be empty or absent.

    Attributes:
        version: What everything is called; the chart and the program have to agree.
        folder: Where it goes.
        say: Told what is done.
    """

    version: str
    folder: Path
    say: Callable[[str], None]

    def write_manifests(self, helm: Helm) -> None:
        """The chart as a package, and the definitions of the resources as one file."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if any(self.folder.iterdir()):
            raise NotReleasableError(f"{self.folder} holds another release: remove it, run again")
        self.say("chart and definitions")
        helm(
            *("package", str(CHART), f"--destination={self.folder}"),
            *(f"--version={self.version}", f"--app-version={self.version}"),
        )
        definitions = sorted((REPOSITORY / "crds").glob("*.yaml"))
        texts = [file.read_text("utf-8") for file in definitions]
        (self.folder / "crds.yaml").write_text("---\n".join(texts), "utf-8")

    def write_images(
        self, buildah: Buildah, *, registry: str, arguments: Mapping[str, str]
    ) -> None:
        """Both images: pushed where a registry is named, and as archives where none is.

        Beside them the bill of each, and `images.json` with the digests.
        """
        revision = run("git", "rev-parse", "HEAD", cwd=REPOSITORY).strip()
        digests = {}
        for name, extras in EXTRAS.items():
            image = f"{registry or 'localhost'}/lathe-{name}:{self.version}"
            self.say(image)
            decided = {"VERSION": self.version, "REVISION": revision, **arguments}
            if name == "worker":
                decided["VARIANT"] = VARIANT
            dockerfile = REPOSITORY / "docker" / f"{name}.Dockerfile"
            buildah.make(dockerfile, REPOSITORY, image, arguments=decided)
            with buildah.mounted(image) as root:
                made = bill(f"lathe-{name}", self.version, extras, Contents(root))
            (self.folder / f"lathe-{name}.cdx.json").write_text(json.dumps(made, indent=1), "utf-8")
            archive = self.folder / f"lathe-{name}-{self.version}.oci.tar"
            digests[image] = buildah.push(image, f"oci-archive:{archive}" if not registry else "")
        (self.folder / "images.json").write_text(json.dumps(digests, indent=1) + "\n", "utf-8")

    def write_checksums(self) -> None:
        """`SHA256SUMS`, which `sha256sum --check` reads."""
        lines = []
        for file in sorted(self.folder.iterdir()):
            if file.name != CHECKSUMS:
                with file.open("rb") as opened:
                    digest = hashlib.file_digest(opened, "sha256").hexdigest()
                lines.append(f"{digest}  {file.name}\n")
        (self.folder / CHECKSUMS).write_text("".join(lines), "utf-8")
