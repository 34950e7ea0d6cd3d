"""`python -m e2e.release.measure`: what the images weigh, and how much of it is code."""

from e2e.localcluster.buildah import Buildah
from e2e.localcluster.cache import cache_root
from e2e.localcluster.cluster import Cluster
from e2e.localcluster.stages import Stages
from e2e.release.contents import Contents

CODE = "opt/lathe/code"


def main() -> None:
    """Build what is missing; one line for each image."""
    cluster = Cluster(Stages())
    buildah = Buildah(cache_root() / "buildah", cluster.folder / "buildah")
    made = {"operator": cluster.images.operator(), "worker": cluster.images.worker()}
    print(f"{'image':<10}{'MB':>9}{'code MB':>10}{'code %':>9}{'repeated MB':>13}")
    for name, image in made.items():
        with buildah.mounted(image) as root:
            contents = Contents(root)
            size, code = contents.size, contents.size_of(CODE)
            again = sum(
                (root / file).stat().st_size for files in contents.repeated() for file in files[1:]
            )
        figures = f"{size / 1e6:>9.1f}{code / 1e6:>10.1f}{code / size:>9.3%}{again / 1e6:>13.1f}"
        print(f"{name:<10}{figures}")


if __name__ == "__main__":
    main()
