"""What a release holds besides images, and when there is none."""

import subprocess
from pathlib import Path

import pytest
import yaml

from e2e.helm import CHART, Helm
from e2e.localcluster.images import REPOSITORY
from e2e.localcluster.processes import run
from e2e.release.release import NotReleasableError, Release, version_of_the_tag


@pytest.fixture
def release(helm: Helm, tmp_path: Path) -> Release:
    """Version 1.2.3, without images."""
    made = Release("1.2.3", tmp_path / "dist", lambda _: None)
    made.write_manifests(helm)
    made.write_checksums()
    return made


def test_a_release_has_chart_definitions_and_checksums_that_hold(release: Release) -> None:
    names = sorted(file.name for file in release.folder.iterdir())

    assert names == ["SHA256SUMS", "crds.yaml", "lathe-1.2.3.tgz"]
    told = run("sha256sum", "--check", "SHA256SUMS", cwd=release.folder)
    assert told.count(": OK") == 2


def test_the_packaged_chart_is_of_the_released_version(release: Release, helm: Helm) -> None:
    documents = helm.template({}, chart=release.folder / "lathe-1.2.3.tgz")

    (deployment,) = [each for each in documents if each["kind"] == "Deployment"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "lathe-operator:1.2.3"
    assert deployment["metadata"]["labels"]["helm.sh/chart"] == "lathe-1.2.3"


def test_crds_yaml_has_every_definition(release: Release) -> None:
    documents = list(yaml.safe_load_all((release.folder / "crds.yaml").read_text()))

    files = (CHART / "files" / "crds").glob("*.yaml")
    assert documents == [yaml.safe_load(file.read_text()) for file in sorted(files)]


def test_a_folder_with_another_release_is_left_alone(release: Release, helm: Helm) -> None:
    with pytest.raises(NotReleasableError, match="another release"):
        Release("1.2.4", release.folder, lambda _: None).write_manifests(helm)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with one commit."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    git(folder, "init", "--quiet")
    (folder / "file").write_text("x")
    git(folder, "add", "file")
    git(folder, "commit", "--quiet", "--message=first")
    return folder


def git(folder: Path, *arguments: str) -> None:
    names = ("-c", "user.name=Ada", "-c", "user.email=ada@corp.example")
    subprocess.run(["git", *names, *arguments], cwd=folder, check=True)


def test_the_version_is_the_tags(checkout: Path) -> None:
    git(checkout, "tag", "--annotate", "v1.2.3", "--message=1.2.3")

    assert version_of_the_tag(checkout) == "1.2.3"


def test_without_a_tag_there_is_no_release(checkout: Path) -> None:
    with pytest.raises(NotReleasableError, match="git tag"):
        version_of_the_tag(checkout)


def test_with_changes_that_are_not_committed_there_is_no_release(checkout: Path) -> None:
    git(checkout, "tag", "--annotate", "v1.2.3", "--message=1.2.3")
    (checkout / "file").write_text("y")

    with pytest.raises(NotReleasableError, match="commit"):
        version_of_the_tag(checkout)


def test_the_changes_of_a_release_are_collected_as_they_are_written() -> None:
    fragments = [file.name for file in (REPOSITORY / "changes").glob("*.md")]
    kinds = {"added", "changed", "fixed", "removed", "security"}

    assert {name.split(".")[-2] for name in fragments if name != "README.md"} <= kinds
