"""Builds the images of this checkout with the machine's container tool, and pushes them."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from e2e.localcluster.contents import content_tag
from e2e.localcluster.images import REPOSITORY, SOURCES, VARIANT
from e2e.localcluster.processes import CommandError, StartError, run

TOOLS = ("docker", "podman", "buildah")
S3_DOCKERFILE = Path(__file__).parent / "s3.Dockerfile"


@dataclass(frozen=True)
class ImageNames:
    """What the pods run."""

    operator: str
    worker: str


@dataclass(frozen=True)
class Publisher:
    """Builds under names that derive from the sources; an image that is there is not built again.

    Attributes:
        registry: Prefix of the images' names, such as registry.corp/team; empty: they stay in the
            tool's own storage.
        say: Told what takes long.
    """

    registry: str
    say: Callable[[str], None]

    def publish(self) -> ImageNames:
        """Both images of Lathe."""
        sources = [REPOSITORY / source for source in SOURCES]
        return ImageNames(
            operator=self._image("operator", REPOSITORY / "docker/operator.Dockerfile", sources),
            worker=self._image(
                "worker",
                REPOSITORY / "docker/worker.Dockerfile",
                sources,
                f"VARIANT={VARIANT}",
            ),
        )

    def s3(self) -> str:
        """The demo's S3 server."""
        return self._image("demo-s3", S3_DOCKERFILE, [])

    def _image(self, name: str, dockerfile: Path, sources: list[Path], *arguments: str) -> str:
        tool = _tool()
        tag = content_tag([dockerfile, *sources], REPOSITORY, also=arguments)
        prefix = f"{self.registry}/" if self.registry else ""
        image = f"{prefix}lathe-{name}:{tag}"
        if not _holds(tool, image):
            self.say(f"building {image} with {tool}")
            options = [f"--build-arg={argument}" for argument in arguments]
            run(tool, "build", *options, f"--file={dockerfile}", f"--tag={image}", str(REPOSITORY))
        if self.registry:
            run(tool, "push", image)
        return image


def _tool() -> str:
    found = next((tool for tool in TOOLS if shutil.which(tool)), None)
    if found is None:
        raise StartError(f"to build images, install one of: {', '.join(TOOLS)}")
    return found


def _holds(tool: str, image: str) -> bool:
    try:
        run(tool, "inspect", image)
    except CommandError:
        return False
    return True
