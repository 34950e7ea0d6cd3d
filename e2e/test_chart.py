"""The chart in a cluster with real pods: taken over, upgraded during a run, and gone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.demo import install
from e2e.demo.publisher import ImageNames
from e2e.helm import CHART, RELEASE, SYSTEM, Document, Helm
from e2e.localcluster.cluster import Cluster
from e2e.localcluster.processes import wait_until
from e2e.story import Team

LONG = {"name": "recover", "distill": {"dataset": "train", "epochs": 30}}


def image(reference: str) -> Document:
    repository, _, tag = reference.rpartition(":")
    return {"repository": repository, "tag": tag}


@pytest.fixture
def images(cluster: Cluster) -> ImageNames:
    """What every other story runs, too."""
    return ImageNames(cluster.images.operator(), cluster.images.worker())


@pytest.fixture
def helm(cluster: Cluster, team: Team, images: ImageNames, tmp_path: Path) -> Iterator[Helm]:
    """Helm for the cluster; at the end, Lathe is there again as the other stories have it."""
    administrator = Helm(tmp_path, cluster.control_plane.kubeconfig)
    yield administrator
    releases = administrator("list", "--short", f"--namespace={SYSTEM}").split()
    if RELEASE in releases:
        administrator("uninstall", RELEASE, "--wait", f"--namespace={SYSTEM}")
    install.operator(team.kubectl, images, tmp_path / "overlay")


def test_a_run_goes_on_while_its_operator_is_taken_over_upgraded_and_uninstalled(
    team: Team, helm: Helm, images: ImageNames
) -> None:
    operator: Document = {"image": image(images.operator)}
    worker: Document = {"image": image(images.worker), "serviceAccount": {"enabled": True}}
    values: Document = {"namespaces": [team.namespace], "operator": operator, "worker": worker}
    upgraded: Document = {**operator, "workers": 4, "podAnnotations": {"upgraded": "true"}}
    here = (RELEASE, str(CHART), f"--namespace={SYSTEM}", "--wait", "--timeout=180s")

    helm("install", *here, "--take-ownership", values=values)
    name = team.apply(team.resource("steady", steps=[LONG]))
    seen = team.until(name, lambda s: s.get("progress", {}).get("percent", 0) > 0, "progress")
    helm("upgrade", *here, values={**values, "operator": upgraded})
    status = team.until_finished(name)
    helm("uninstall", RELEASE, "--wait", f"--namespace={SYSTEM}")

    assert (seen["phase"], status["phase"]) == ("Running", "Succeeded")
    assert (status["run"]["job"], status["run"]["attempt"]) == (
        seen["run"]["job"],
        seen["run"]["attempt"],
    )
    assert team.status(name) == status
    assert len(team.pods(name)) == 1
    # Helm waits for the Deployment alone, whose pod ends after it.
    wait_until(lambda: _pods(team) == [], "the operator's pod to be gone", seconds=60)


def _pods(team: Team) -> list[Document]:
    found: list[Document] = team.kubectl.get("pods", f"--namespace={SYSTEM}")["items"]
    return found
