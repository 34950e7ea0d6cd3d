"""The images of the cluster: made when their sources change, found in the registry otherwise."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from e2e.localcluster import registry
from e2e.localcluster.buildah import Buildah
from e2e.localcluster.cache import alone
from e2e.localcluster.contents import content_tag
from e2e.localcluster.processes import run

REPOSITORY = Path(__file__).parents[2]
PAUSE = Path(__file__).parent / "pause"

SUITE = "bookworm"
BASE_PACKAGES = ("python3", "python3-venv", "ca-certificates")
BASE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# What decides an image of ours besides its Dockerfile.
SOURCES = (
    *("pyproject.toml", "uv.lock", "README.md", "LICENSE", ".dockerignore"),
    *("operator", "workers", "crds/lathe_api", "docker/duplicates.py", "docker/runtime.py"),
)
VARIANT = "tensorrt-rtx"

Say = Callable[[str], None]


class Images:
    """Builds into the registry, which must be running; each method gives what a pod names."""

    def __init__(self, buildah: Buildah, say: Say) -> None:
        self._buildah = buildah
        self._say = say

    def pause(self) -> str:
        """The container that holds a pod together."""
        tag = content_tag([PAUSE], REPOSITORY)
        if not registry.holds("pause", tag):
            with tempfile.TemporaryDirectory() as context:
                static = ("env", "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
                program = Path(context) / "pause"
                run(*static, "go", "build", "-ldflags=-s -w", "-o", program, ".", cwd=PAUSE)
                image = registry.reference("pause", tag)
                self._buildah.build(PAUSE / "Dockerfile", Path(context), image, arguments={})
        return registry.reference("pause", tag)

    def base(self) -> str:
        """Debian with its Python: stands for the public Python image that cannot be had here."""
        tag = content_tag([], REPOSITORY, also=[SUITE, *BASE_PACKAGES])
        image = registry.reference("lathe-base", tag)
        if not registry.holds("lathe-base", tag):
            self._say(f"base image {image}: debootstrap, a minute")
            with tempfile.TemporaryDirectory() as folder:
                root = Path(folder) / "root"
                self._debootstrap(root)
                self._buildah.from_folder(root, image, environment={"PATH": BASE_PATH})
        return image

    def operator(self) -> str:
        """The operator's image."""
        return self._ours("operator", {})

    def worker(self) -> str:
        """The worker's image, with the engine builder that needs no GPU; gigabytes, minutes."""
        return self._ours("worker", {"VARIANT": VARIANT})

    def _ours(self, name: str, arguments: dict[str, str]) -> str:
        dockerfile = REPOSITORY / "docker" / f"{name}.Dockerfile"
        sources = [dockerfile, *(REPOSITORY / source for source in SOURCES)]
        decided = {"BASE_IMAGE": self.base(), **arguments}
        also = [f"{key}={value}" for key, value in decided.items()]
        tag = content_tag(sources, REPOSITORY, also=also)
        image = registry.reference(f"lathe-{name}", tag)
        with alone("images"):
            if not registry.holds(f"lathe-{name}", tag):
                self._say(f"building {image}")
                self._buildah.build(dockerfile, REPOSITORY, image, arguments=decided)
        return image

    def _debootstrap(self, root: Path) -> None:
        # In a mount namespace of its own: what it mounts cannot outlive it.
        run(
            *("unshare", "--mount", "debootstrap", "--variant=minbase"),
            *(f"--include={','.join(BASE_PACKAGES)}", SUITE, root),
        )
        for cache in ("var/cache/apt", "var/lib/apt/lists", "var/log"):
            shutil.rmtree(root / cache)
            (root / cache).mkdir()
