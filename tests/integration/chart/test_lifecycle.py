"""A release's life in a real API server: nothing of the users' is touched by any of it."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
import yaml

from e2e.helm import CHART, RELEASE, SYSTEM, Document, Helm, HelmError
from e2e.localcluster.controlplane import ControlPlane, KubectlError
from e2e.localcluster.processes import wait_until
from tests.integration.chart.sets import ALONE, UNPRIVILEGED
from tests.integration.operator.conftest import new_team
from tests.integration.operator.installed import OperatorProcess, Team, install, token_config

pytestmark = pytest.mark.apiserver

IN = (RELEASE, str(CHART), f"--namespace={SYSTEM}", "--create-namespace")
NEW_COLUMN = "Speedup"

Operator = Callable[[], AbstractContextManager[OperatorProcess]]


@pytest.fixture
def cluster(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    """A bare cluster of one test's own."""
    del control_plane  # only for its build, which tells how it goes on
    with ControlPlane() as running:
        yield running


@pytest.fixture
def at_cluster(cluster: ControlPlane, helm: Helm) -> Helm:
    """helm with the administrator's kubeconfig."""
    return Helm(helm.home, cluster.kubeconfig)


@pytest.fixture
def operator(cluster: ControlPlane, tmp_path: Path) -> Operator:
    """What the release's pod would run, with the rights that the release gives it."""
    count = iter(range(100))

    @contextmanager
    def running(**environment: str) -> Iterator[OperatorProcess]:
        config = token_config(cluster, tmp_path)
        log = tmp_path / f"operator-{next(count)}.log"
        with OperatorProcess(config, log, **environment) as process:
            process.until_leading()
            yield process
            assert process.terminate() == 0

    return running


@pytest.fixture
def previous(tmp_path: Path) -> Path:
    """The chart as it could have been: an older version, whose resource had a column less."""
    folder = tmp_path / "previous"
    shutil.copytree(CHART, folder)
    chart = yaml.safe_load((folder / "Chart.yaml").read_text())
    (folder / "Chart.yaml").write_text(yaml.safe_dump({**chart, **OLDER}))
    definition = folder / "files" / "crds" / "lathe.dev_modeloptimizations.yaml"
    document = yaml.safe_load(definition.read_text())
    version = document["spec"]["versions"][0]
    columns = version["additionalPrinterColumns"]
    version["additionalPrinterColumns"] = [each for each in columns if each["name"] != NEW_COLUMN]
    definition.write_text(yaml.safe_dump(document, sort_keys=False))
    return folder


OLDER = {"version": "0.0.9", "appVersion": "0.0.9"}


def until_served(cluster: ControlPlane) -> None:
    """Wait until kubectl knows the resource."""

    def listed() -> bool:
        try:
            cluster.kubectl("get", "mo", "-A")
        except KubectlError:
            return False
        return True

    wait_until(listed, "lathe.dev in the server's discovery", seconds=60.0)


def columns(cluster: ControlPlane) -> list[str]:
    definition = yaml.safe_load(
        cluster.kubectl("get", "crd", "modeloptimizations.lathe.dev", "-o", "yaml")
    )
    version: Document = definition["spec"]["versions"][0]
    return [each["name"] for each in version["additionalPrinterColumns"]]


def image(cluster: ControlPlane) -> str:
    path = "jsonpath={.spec.template.spec.containers[0].image}"
    return cluster.kubectl("get", "deployment", "lathe-operator", "-n", SYSTEM, "-o", path)


def told(cluster: ControlPlane, *names: str) -> dict[str, str]:
    """What the release tells its pod by these variables."""
    deployment: Document = yaml.safe_load(
        cluster.kubectl("get", "deployment", "lathe-operator", "-n", SYSTEM, "-o", "yaml")
    )
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return {each["name"]: each["value"] for each in container["env"] if each["name"] in names}


def uids(team: Team) -> dict[str, str]:
    return {job["metadata"]["name"]: job["metadata"]["uid"] for job in team.jobs}


def users_things(cluster: ControlPlane) -> list[str]:
    return cluster.kubectl("get", "mo,jobs,pods", "-A", "--no-headers", "-o", "name").split()


def test_runs_go_on_through_upgrade_rollback_and_uninstall(
    cluster: ControlPlane, at_cluster: Helm, previous: Path, operator: Operator
) -> None:
    at_cluster("install", RELEASE, str(previous), *IN[2:])
    until_served(cluster)
    finished, running = new_team(cluster), new_team(cluster)
    with operator():
        finished.apply()
        finished.succeed()
        running.apply()
        pod = running.start_pod(running.until_job())
        running.until_phase("Running")
    jobs = {**uids(finished), **uids(running)}
    assert (NEW_COLUMN in columns(cluster), image(cluster)) == (False, "lathe-operator:0.0.9")

    at_cluster("upgrade", *IN)

    assert (NEW_COLUMN in columns(cluster), image(cluster)) == (True, "lathe-operator:0.1.0")
    with operator():
        assert running.until_phase("Running")["run"]["job"] in jobs

    at_cluster("rollback", RELEASE, "1", f"--namespace={SYSTEM}")

    assert image(cluster) == "lathe-operator:0.0.9"
    with operator():
        running.end(running.until_job(), pod)
        running.until_phase("Succeeded")
        finished.until_phase("Succeeded")
    assert {**uids(finished), **uids(running)} == jobs
    before = users_things(cluster)

    at_cluster("uninstall", RELEASE, f"--namespace={SYSTEM}")

    assert users_things(cluster) == before
    assert running.status["phase"] == "Succeeded"
    created = [
        event
        for event in cluster.audit_events()
        if (event.verb, event.resource) == ("create", "jobs") and event.code < 300
    ]
    assert len(created) == 2


def test_what_is_left_after_uninstall_are_the_definitions_and_nothing_else(
    cluster: ControlPlane, at_cluster: Helm
) -> None:
    def ours() -> list[str]:
        kinds = (
            "crd,clusterrole,clusterrolebinding,validatingadmissionpolicy,priorityclass,"
            "deployment,role,rolebinding,serviceaccount,networkpolicy,poddisruptionbudget"
        )
        selector = "app.kubernetes.io/part-of=lathe"
        return cluster.kubectl("get", kinds, "-A", "-l", selector, "-o", "name").split()

    at_cluster("install", *IN, values={"operator": {"replicas": 2}})
    there = ours()
    at_cluster("uninstall", RELEASE, f"--namespace={SYSTEM}")

    assert len(there) > 10
    assert all(name.startswith("customresourcedefinition") for name in ours())
    at_cluster("install", *IN)  # and what is left is taken up by the next release
    assert len(ours()) >= len(there) - 1


def test_definitions_that_are_not_kept_go_with_the_release(
    cluster: ControlPlane, at_cluster: Helm
) -> None:
    at_cluster("install", *IN, values={"crds": {"keep": False}})
    until_served(cluster)

    at_cluster("uninstall", RELEASE, f"--namespace={SYSTEM}")

    wait_until(
        lambda: not cluster.kubectl("get", "crd", "-o", "name").split(),
        "the definitions to go",
        seconds=60.0,
    )


def test_with_roles_alone_a_run_is_brought_to_its_end(
    cluster: ControlPlane, at_cluster: Helm, operator: Callable[..., AbstractContextManager[None]]
) -> None:
    cluster.kubectl("apply", "-f", str(CHART / "files" / "crds"))
    until_served(cluster)
    team = new_team(cluster)
    values = {**UNPRIVILEGED, "namespaces": [team.namespace]}
    at_cluster("install", *IN, values=values)

    with operator(**told(cluster, "LATHE_NAMESPACES", "LATHE_CLUSTER_PROFILES")):
        team.apply()
        team.succeed()

    rights = cluster.kubectl("get", "clusterrole,clusterrolebinding", "-o", "name").split()
    assert [name for name in rights if "lathe" in name] == []
    assert all(event.code != 403 for event in team.asked())


def test_an_installation_by_kustomize_is_taken_over(
    cluster: ControlPlane, at_cluster: Helm
) -> None:
    cluster.kubectl("apply", "-f", str(CHART / "files" / "crds"))
    install(cluster)
    uid = ("get", "deployment", "lathe-operator", "-n", SYSTEM, "-o", "jsonpath={.metadata.uid}")
    before = cluster.kubectl(*uid)
    with pytest.raises(HelmError, match="invalid ownership metadata"):
        at_cluster("install", *IN)

    at_cluster("install", *IN, "--take-ownership")

    assert cluster.kubectl(*uid) == before


def test_notes_say_what_to_do_next(cluster: ControlPlane, at_cluster: Helm) -> None:
    del cluster
    told = at_cluster("install", *IN, "--dry-run=server", values={"namespaces": ["team-a"]})

    notes = told.partition("NOTES:")[2]
    assert f"kubectl rollout status -n {SYSTEM} deployment/lathe-operator" in notes
    assert "kubectl get mo -n team-a -w" in notes
    assert "does not know what a ModelOptimization is" not in notes

    without = at_cluster("install", *IN, "--dry-run=server", values={"crds": ALONE})
    assert "does not know what a ModelOptimization is" in without
