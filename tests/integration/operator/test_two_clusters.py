"""With MultiKueue: two clusters with a Kueue each, and a Job that runs in the one without Lathe."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.localcluster.controlplane import ControlPlane
from e2e.localcluster.kueue import SYSTEM, Kueue
from e2e.localcluster.processes import wait_until
from tests import kubelet
from tests.integration.conftest import serve
from tests.integration.operator.conftest import new_team
from tests.integration.operator.controlled import Pods, breathe
from tests.integration.operator.installed import OperatorProcess, Team, install, token_config
from tests.integration.operator.queued import Quota, a_queued_resource, until_told, writes_to_jobs

pytestmark = pytest.mark.apiserver

Document = dict[str, Any]

API = "kueue.x-k8s.io/v1beta2"
MULTIKUEUE = "kueue.x-k8s.io/multikueue"


def self_contained(kubeconfig: Path) -> str:
    """A kubeconfig that holds its certificates instead of naming them."""
    config = yaml.safe_load(kubeconfig.read_text())
    for each in config["clusters"]:
        authority = Path(each["cluster"].pop("certificate-authority")).read_bytes()
        each["cluster"]["certificate-authority-data"] = base64.b64encode(authority).decode()
    return yaml.safe_dump(config)


def join(manager: ControlPlane, worker: ControlPlane) -> None:
    """Let one cluster's Kueue send work to another, through the admission check `elsewhere`."""
    secret = {"name": "worker", "namespace": SYSTEM}
    source = {"kubeConfig": {"locationType": "Secret", "location": "worker"}}
    parameters = {"apiGroup": "kueue.x-k8s.io", "kind": "MultiKueueConfig", "name": "all"}

    def of(kind: str, name: str, spec: Document) -> Document:
        return {"apiVersion": API, "kind": kind, "metadata": {"name": name}, "spec": spec}

    manager.apply(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": secret,
            "stringData": {"kubeconfig": self_contained(worker.kubeconfig)},
        },
        of("MultiKueueCluster", "worker", {"clusterSource": source}),
        of("MultiKueueConfig", "all", {"clusters": ["worker"]}),
        of("AdmissionCheck", "elsewhere", {"controllerName": MULTIKUEUE, "parameters": parameters}),
    )
    wait = ("wait", "admissioncheck/elsewhere", "--for=condition=Active", "--timeout=60s")
    manager.kubectl(*wait)


@pytest.fixture(scope="module")
def worker() -> Iterator[ControlPlane]:
    """The cluster that has the nodes: controllers and Kueue, and no Lathe."""
    with ControlPlane(controllers=True) as running, Kueue(running):
        breathe(running)
        yield running


@pytest.fixture(scope="module")
def manager(
    worker: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ControlPlane]:
    """The cluster that has the resources: Kueue and the operator."""
    folder = tmp_path_factory.mktemp("operator")
    with ControlPlane(controllers=True) as running, Kueue(running):
        serve(running)
        install(running)
        join(running, worker)
        with OperatorProcess(token_config(running, folder), folder / "log") as operator:
            operator.until_leading()
            yield running


@pytest.fixture
def here(manager: ControlPlane) -> Team:
    """A team whose queue leads to the other cluster."""
    team = new_team(manager)
    checks = {"admissionChecks": [{"name": "elsewhere"}]}
    Quota.set_up(manager, admissionChecksStrategy=checks).let_in(team.namespace)
    return team


@pytest.fixture
def there(here: Team, worker: ControlPlane) -> Team:
    """The same team in the other cluster."""
    worker.kubectl("create", "namespace", here.namespace)
    Quota.set_up(worker).let_in(here.namespace)
    return Team(worker, here.namespace)


ENDS = {
    "well": (0, kubelet.success(), ("Succeeded", "Succeeded"), "in another cluster"),
    "badly": (10, "", ("Failed", "JobFailed"), "exit code 10"),
}


@pytest.mark.parametrize(("code", "words", "end", "message"), ENDS.values(), ids=ENDS)
def test_a_job_that_another_cluster_works_on_is_left_alone_and_its_end_is_told(
    here: Team, there: Team, code: int, words: str, end: tuple[str, str], message: str
) -> None:
    here.apply(a_queued_resource())
    pods = Pods(there)
    pod = pods.run()
    there.write_status("pod", pod, {**kubelet.running(), "conditions": [READY]})
    here.until_phase("Running")
    (job,) = here.jobs
    here.apply(a_queued_resource().with_(run={"backoffLimit": 7}))
    wait_until(lambda: here.status["observedGeneration"] == 2, "the edit to be seen", seconds=20)

    pods.end(pod, code, words)
    told = until_told(here, *end)

    assert job["spec"]["managedBy"] == MULTIKUEUE
    assert message in told
    assert here.get("pods")["items"] == []
    assert writes_to_jobs(here) == {"create"}
    assert json.loads(here.kubectl("get", "mo", "digits", "-o", "json"))["status"]["run"][
        "startTime"
    ]


READY = {"type": "Ready", "status": "True", "lastTransitionTime": kubelet.T0}
