"""`python -m e2e.release`: images, chart, definitions, bills and checksums of the tagged commit."""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from e2e.helm import Helm, HelmError
from e2e.localcluster import debian
from e2e.localcluster.binaries import BuildError
from e2e.localcluster.buildah import Buildah
from e2e.localcluster.cache import cache_root
from e2e.localcluster.debian import MissingError
from e2e.localcluster.images import REPOSITORY
from e2e.localcluster.processes import CommandError
from e2e.localcluster.stages import Stages
from e2e.release.release import NotReleasableError, Release, version_of_the_tag


def publish(arguments: argparse.Namespace) -> None:
    """Write the release; with --without-images in seconds."""
    version = arguments.version or version_of_the_tag()
    stages = Stages()
    with tempfile.TemporaryDirectory() as home, stages.stage(f"release {version}"):
        release = Release(version, arguments.folder, stages.note)
        release.write_manifests(Helm(Path(home)))
        if not arguments.without_images:
            debian.require(stages.note)
            buildah = Buildah(cache_root() / "buildah", Path(home) / "buildah", verify=True)
            base = {"BASE_IMAGE": arguments.base_image} if arguments.base_image else {}
            release.write_images(buildah, registry=arguments.registry, arguments=base)
        release.write_checksums()
    print(arguments.folder)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m e2e.release", description=__doc__)
    parser.add_argument("--version", default="", help="instead of the tag's, to try it out")
    parser.add_argument("--folder", type=Path, default=REPOSITORY / "dist", help="where it goes")
    parser.add_argument("--registry", default="", help="push the images there; else write archives")
    parser.add_argument("--base-image", default="", help="instead of docker.io/library/python")
    parser.add_argument("--without-images", action="store_true", help="all but images and bills")
    return parser


def main(words: Sequence[str]) -> int:
    """Run it; an expected failure is one line and exit code 1."""
    try:
        publish(_parser().parse_args(words))
    except (BuildError, CommandError, HelmError, MissingError, NotReleasableError) as error:
        print(f"release: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
