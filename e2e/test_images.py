"""What the images hold: little, once, and what their bills say."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from e2e.localcluster.buildah import Buildah
from e2e.localcluster.cache import cache_root
from e2e.localcluster.cluster import Cluster
from e2e.release.bill import bill, components
from e2e.release.contents import Contents
from e2e.release.release import EXTRAS

OPERATOR_AT_MOST = 150_000_000
CODE_AT_MOST = 0.005
NAMES = ("operator", "worker")


@pytest.fixture(scope="module")
def buildah(cluster: Cluster) -> Buildah:
    """Where the cluster's images were built."""
    return Buildah(cache_root() / "buildah", cluster.folder / "buildah")


def image(cluster: Cluster, name: str) -> str:
    return cluster.images.operator() if name == "operator" else cluster.images.worker()


@contextmanager
def opened(cluster: Cluster, buildah: Buildah, name: str) -> Iterator[Contents]:
    with buildah.mounted(image(cluster, name)) as root:
        yield Contents(root)


def test_the_operator_is_small_and_has_no_shell(cluster: Cluster, buildah: Buildah) -> None:
    with opened(cluster, buildah, "operator") as contents:
        size = contents.size
        programs = [file for file in contents.files("*") if file.startswith(("usr/bin/", "bin/"))]

    print(f"operator: {size / 1e6:.1f} MB")
    assert size <= OPERATOR_AT_MOST
    assert all(program.startswith("usr/bin/python3") for program in programs)


def test_a_change_of_code_moves_little_of_the_worker(cluster: Cluster, buildah: Buildah) -> None:
    with opened(cluster, buildah, "worker") as contents:
        code, size = contents.size_of("opt/lathe/code"), contents.size

    print(f"worker: {size / 1e6:.1f} MB, code {code / size:.3%}")
    assert code / size <= CODE_AT_MOST


@pytest.mark.parametrize("name", NAMES)
def test_no_large_library_is_there_twice(cluster: Cluster, buildah: Buildah, name: str) -> None:
    with opened(cluster, buildah, name) as contents:
        assert contents.repeated() == []


@pytest.mark.parametrize("name", NAMES)
def test_no_cache_of_an_installer_is_left(cluster: Cluster, buildah: Buildah, name: str) -> None:
    with opened(cluster, buildah, name) as contents:
        left = [
            file
            for pattern in ("*.deb", "*.whl", "uv-*.lock", "var/lib/apt/lists/*_Packages")
            for file in contents.files(pattern)
            if not file.startswith("usr/share/python-wheels/")  # of Debian's python3-venv
        ]
        homes = contents.size_of("root/.cache") if (contents.root / "root/.cache").exists() else 0

    assert (left, homes) == ([], 0)


@pytest.mark.parametrize("name", NAMES)
def test_the_bill_is_what_is_installed(cluster: Cluster, buildah: Buildah, name: str) -> None:
    with opened(cluster, buildah, name) as contents:
        made = bill(f"lathe-{name}", "0.1.0", EXTRAS[name], contents)
        installed, packages = contents.distributions(), contents.debian_packages()

    assert components(made, "pypi") == installed
    assert components(made, "deb") == packages
    assert "libc6" in packages
    assert json.loads(json.dumps(made))["bomFormat"] == "CycloneDX"


@pytest.mark.parametrize("name", NAMES)
def test_an_image_says_what_it_is_and_runs_as_nobody(
    cluster: Cluster, buildah: Buildah, name: str
) -> None:
    config = buildah.settings(image(cluster, name))["config"]

    environment = dict(each.split("=", 1) for each in config["Env"])
    assert config["User"] == "65532:65532"
    assert environment["HOME"] == "/tmp"  # noqa: S108 - in a container
    assert config["Labels"]["org.opencontainers.image.title"] == f"lathe-{name}"
    assert config["Labels"]["org.opencontainers.image.version"] == "0.1.0"
    assert config["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"
