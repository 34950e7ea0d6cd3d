"""Image builds by buildah, in a storage of their own, into the cluster's registry."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from e2e.localcluster.processes import run


class Buildah:
    """buildah with `storage` for layers, which outlive the cluster, and `state`, which does not.

    Only the cluster's own registry speaks plain http: others are to be verified.
    """

    def __init__(self, storage: Path, state: Path, *, verify: bool = False) -> None:
        self._verify = f"--tls-verify={str(verify).lower()}"
        self._program = [
            *("buildah", "--root", str(storage), "--runroot", str(state)),
            *("--storage-driver", "overlay"),
        ]

    def build(
        self, dockerfile: Path, context: Path, image: str, *, arguments: Mapping[str, str]
    ) -> None:
        """Builds `image` and pushes it."""
        self.make(dockerfile, context, image, arguments=arguments)
        self.push(image)

    def make(
        self, dockerfile: Path, context: Path, image: str, *, arguments: Mapping[str, str]
    ) -> None:
        """Builds `image`; installs inside it trust what this machine trusts."""
        certificates = "/etc/ssl/certs:/etc/ssl/certs:ro"
        self._buildah(
            *("build", "--isolation", "chroot", "--layers", self._verify),
            *("--volume", certificates, "--file", str(dockerfile), "--tag", image),
            *(f"--build-arg={name}={value}" for name, value in arguments.items()),
            str(context),
        )

    def from_folder(self, root: Path, image: str, *, environment: Mapping[str, str]) -> None:
        """Makes `image` out of a file system's root folder, and pushes it."""
        container = self._buildah("from", "scratch").strip()
        self._buildah("add", container, str(root), "/")
        settings = (f"--env={name}={value}" for name, value in environment.items())
        self._buildah("config", *settings, container)
        self._buildah("commit", "--rm", container, image)
        self.push(image)

    def push(self, image: str, destination: str = "") -> str:
        """Pushes `image` to its registry, or elsewhere; gives its digest.

        Only the layers that a registry lacks move.
        """
        # For the worker's gigabytes zstd gives a tenth less than gzip, with a quarter less work.
        packing = ("--format", "oci", "--compression-format", "zstd")
        to = destination or f"docker://{image}"
        with tempfile.NamedTemporaryFile("r", encoding="utf-8") as digest:
            self._buildah(
                *("push", self._verify, f"--digestfile={digest.name}", *packing, image, to)
            )
            return digest.read()

    @contextmanager
    def mounted(self, image: str) -> Iterator[Path]:
        """The root of what `image`, which was built here, holds."""
        container = self._buildah("from", "--pull-never", image).strip()
        try:
            yield Path(self._buildah("mount", container).strip())
        finally:
            self._buildah("rm", container)

    def settings(self, image: str) -> dict[str, Any]:
        """What `image`, which was built here, says of itself: its user, environment and labels."""
        told: dict[str, Any] = json.loads(self._buildah("inspect", "--type=image", image))
        found: dict[str, Any] = told["OCIv1"]
        return found

    def _buildah(self, *arguments: str) -> str:
        return run(*self._program, *arguments)
