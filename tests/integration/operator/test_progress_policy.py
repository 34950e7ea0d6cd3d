"""A worker's token may tell the progress of its own run, and nothing else."""

import http.client
import json
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from e2e.localcluster.controlplane import ControlPlane
from lathe_api.v1alpha1.resource import API_VERSION, KIND, PLURAL
from tests.builders import a_resource
from tests.integration.operator.conftest import new_team
from tests.integration.operator.installed import CHARTS, Team

pytestmark = pytest.mark.apiserver

Document = dict[str, Any]
PROGRESS = {"progress": {"percent": 42, "step": "prune", "stepIndex": 1, "steps": 3}}
RUNNING = {
    "observedGeneration": 1,
    "phase": "Running",
    "run": {"job": "digits-0123abcd", "attempt": 1},
    "summary": {"model": "digits"},
}
OURS = "digits-0123abcd-x7k2p"


class Refused(Exception):  # noqa: N818 - named by what happened
    """The API server said no."""


class Worker:
    """A pod with its own token, which may do so little that kubectl is too curious for it."""

    def __init__(self, team: Team, *bound: str, account: str = "lathe-worker") -> None:
        self._team = team
        self._token = team.kubectl("create", "token", account, *bound).strip()

    @classmethod
    def of(cls, team: Team, pod: str, account: str = "lathe-worker") -> "Worker":
        """The worker of a new pod of that name, with a token that is bound to it."""
        container = {"name": "worker", "image": "none.invalid/none"}
        document = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": pod},
            "spec": {"serviceAccountName": account, "containers": [container]},
        }
        text = yaml.safe_dump(document)
        uid = json.loads(team.kubectl("create", "-f", "-", "-o", "json", stdin=text))["metadata"][
            "uid"
        ]
        bound = ("--bound-object-kind=Pod", f"--bound-object-name={pod}")
        return cls(team, *bound, f"--bound-object-uid={uid}", account=account)

    def merge(self, status: Document, team: Team | None = None) -> None:
        """Patch fields of a status."""
        self._patch(team, "application/merge-patch+json", {"status": status})

    def apply(self, status: Document, team: Team | None = None) -> None:
        """Apply fields of a status, as the worker's program does."""
        known = {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": "digits"}}
        body = {**known, "status": status}
        self._patch(team, "application/apply-patch+yaml", body, force="&force=true")

    def _patch(self, team: Team | None, content: str, body: Document, force: str = "") -> None:
        control_plane = self._team.control_plane
        namespace = (team or self._team).namespace
        path = f"/apis/{API_VERSION}/namespaces/{namespace}/{PLURAL}/digits/status"
        trusted = ssl.create_default_context(cafile=str(control_plane.certificate_authority))
        server = urlsplit(control_plane.server).netloc
        connection = http.client.HTTPSConnection(server, timeout=10, context=trusted)
        try:
            connection.request(
                "PATCH",
                f"{path}?fieldManager=lathe-worker{force}",
                body=json.dumps(body),
                headers={"Authorization": f"Bearer {self._token}", "Content-Type": content},
            )
            answer = connection.getresponse()
            said = answer.read().decode()
        finally:
            connection.close()
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            raise Refused(said)


def with_workers(team: Team, folder: Path) -> Team:
    """Give a namespace a worker's ServiceAccount, as its kustomization says."""
    up = "/".join(".." for _ in folder.resolve().parts[1:])  # kustomize takes no path from the root
    overlay = {"namespace": team.namespace, "resources": [f"{up}{CHARTS / 'worker'}"]}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
    team.control_plane.kubectl("apply", "-k", str(folder))
    return team


@pytest.fixture(scope="module")
def running(installed: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Team:
    """A team with workers, and with a resource whose run status speaks of."""
    team = with_workers(new_team(installed), tmp_path_factory.mktemp("workers"))
    team.apply()
    team.write_status("mo", "digits", RUNNING)
    return team


@pytest.fixture(scope="module")
def worker(running: Team) -> Worker:
    """The pod of that run."""
    return Worker.of(running, OURS)


def test_progress_is_taken_and_the_operators_fields_stay(running: Team, worker: Worker) -> None:
    before = running.status

    worker.apply(PROGRESS)

    assert running.status == {**before, **PROGRESS}


FORGED: dict[str, Document] = {
    "the phase": {"phase": "Succeeded"},
    "where the artifacts are": {"manifestURI": "s3://evil/manifest.json"},
    "conditions": {"conditions": []},
    "another run": {"run": {"job": "another"}},
    "something besides progress": {**PROGRESS, "summary": {"size": "-99%"}},
    "the absence of a field": {"summary": None},
    "the absence of all fields": {"summary": None, "run": None, "phase": None},
}


@pytest.mark.parametrize("status", FORGED.values(), ids=FORGED)
def test_a_worker_cannot_write(running: Team, worker: Worker, status: Document) -> None:
    before = running.status

    with pytest.raises(Refused, match=r"status\.progress and nothing else"):
        worker.merge(status)

    assert running.status == before


OTHER_JOBS = {
    "of a build on hardware of its own": "digits-0123abcd-build12-x7k2p",
    "of the last stage": "digits-0123abcd-publish-x7k2p",
    "of a build that is to need less memory": "digits-0123abcd-build1-lean-x7k2p",
}


@pytest.mark.parametrize("pod", OTHER_JOBS.values(), ids=OTHER_JOBS)
def test_a_pod_of_another_job_of_the_run_is_heard(running: Team, pod: str) -> None:
    progress = {"progress": {"percent": len(pod), "step": "old/int8"}}

    Worker.of(running, pod).apply(progress)

    assert running.status["progress"]["percent"] == len(pod)


STRANGERS = {
    "of another resource": ("other-0123abcd-x7k2p", "only the pod that works for this resource"),
    "of a resource with a longer name": (
        "digits-2-0123abcd-x7k2p",
        "only the pod that works for this resource",
    ),
    "of a resource whose name looks like this one's Job": (
        "digits-0123abcd-89abcdef-x7k2p",
        "only the pod that works for this resource",
    ),
    "of a stage of an earlier run": ("digits-00000000-build1-x7k2p", "earlier run"),
    "of nobody": ("digits", "only the pod that works for this resource"),
    "of an earlier run of this resource": ("digits-00000000-x7k2p", "earlier run"),
}


@pytest.mark.parametrize(("pod", "words"), STRANGERS.values(), ids=STRANGERS)
def test_a_pod_that_is_not_of_this_run_cannot_tell_its_progress(
    running: Team, pod: str, words: str
) -> None:
    with pytest.raises(Refused, match=words):
        Worker.of(running, pod).apply(PROGRESS)


def test_a_token_that_is_no_pods_tells_nothing(running: Team) -> None:
    with pytest.raises(Refused, match="only the pod that works for this resource"):
        Worker(running).apply(PROGRESS)


def test_a_pod_of_another_namespace_tells_nothing(
    installed: ControlPlane, running: Team, tmp_path: Path
) -> None:
    elsewhere = with_workers(new_team(installed), tmp_path)
    account = f"{elsewhere.namespace}:lathe-worker"
    running.kubectl(
        "create", "rolebinding", "x", "--role=lathe-worker", f"--serviceaccount={account}"
    )

    with pytest.raises(Refused, match="own namespace"):
        Worker.of(elsewhere, OURS).apply(PROGRESS, running)


def test_without_its_role_a_worker_is_not_even_heard(running: Team) -> None:
    with pytest.raises(Refused, match="cannot patch resource"):
        Worker.of(running, "digits-0123abcd-zzzzz", account="default").apply(PROGRESS)


EARLY: dict[str, Document | None] = {
    "before there is a status": None,
    "before status speaks of its run": {"observedGeneration": 0, "run": {"job": "digits-ffffffff"}},
    "before status speaks of any run": {"observedGeneration": 1, "phase": "Pending"},
}


@pytest.mark.parametrize("status", EARLY.values(), ids=EARLY)
def test_a_pod_that_is_faster_than_the_operator_is_heard(
    installed: ControlPlane, tmp_path: Path, status: Document | None
) -> None:
    team = with_workers(new_team(installed), tmp_path)
    team.apply(a_resource())
    if status:
        team.write_status("mo", "digits", status)

    Worker.of(team, OURS).apply(PROGRESS)

    assert team.status["progress"]["percent"] == 42


def test_a_worker_that_was_told_to_need_less_memory_is_heard(running: Team) -> None:
    running.write_status("mo", "digits", {"run": {"job": "digits-0123abcd-lean"}})

    Worker.of(running, "digits-0123abcd-lean-x7k2p").apply(PROGRESS)

    assert running.status["progress"]["percent"] == 42


def test_an_administrator_is_not_concerned(running: Team) -> None:
    running.write_status("mo", "digits", {"reportURI": "s3://artifacts/report.html"})
    running.write_status("mo", "digits", {"reportURI": None})
