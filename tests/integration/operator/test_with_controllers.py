"""With the real Job controller, scheduler and garbage collector; the test is only the kubelet."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from e2e.localcluster.controlplane import ControlPlane, KubectlError
from e2e.localcluster.processes import wait_until
from lathe_operator.decide.names import RESTART
from lathe_steps.reasons import ExitCode, Reason
from tests import kubelet
from tests.builders import a_resource
from tests.integration.conftest import serve
from tests.integration.operator.conftest import new_team
from tests.integration.operator.controlled import Pods, breathe
from tests.integration.operator.forbidding import REFUSALS
from tests.integration.operator.installed import OperatorProcess, Team, install, now, token_config

pytestmark = pytest.mark.apiserver

Document = dict[str, Any]


@pytest.fixture(scope="module")
def controlled(
    control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ControlPlane]:
    """A control plane with controllers, scheduler and an operator for all namespaces."""
    del control_plane  # only for its build, which tells how it goes on
    folder = tmp_path_factory.mktemp("operator")
    with ControlPlane(controllers=True) as running:
        serve(running)
        install(running)
        config = token_config(running, folder)
        with OperatorProcess(config, folder / "log") as operator:
            operator.until_leading()
            yield running


@pytest.fixture
def team(controlled: ControlPlane) -> Team:
    """A team in a cluster whose only node has just said that it is well."""
    breathe(controlled)
    return new_team(controlled)


def test_a_run_succeeds_and_is_told_of_in_four_writes(team: Team) -> None:
    team.apply()
    pods = Pods(team)
    pod = pods.run()
    team.until_phase("Running")

    pods.end(pod, 0, kubelet.success())
    status = team.until_phase("Succeeded")

    written = team.written()
    assert written["create/jobs"] == 1
    assert written["patch/modeloptimizations/status"] <= 3
    assert written.total() - written["create/events"] <= 4
    assert status["run"]["attempt"] == 1


def test_what_would_fail_again_fails_at_once(team: Team) -> None:
    team.apply()
    pods = Pods(team)
    pod = pods.run()
    told = kubelet.failure(ExitCode.GATE_FAILED, Reason.GATE_FAILED, "Top1 fell by 0.2")

    pods.end(pod, 10, told)
    status = team.until_phase("Failed")

    assert (status["lastFailure"]["reason"], status["run"]["attempt"]) == ("GateFailed", 1)
    assert team.written()["create/events"] == 2


def test_what_may_pass_is_tried_again_until_the_limit(team: Team) -> None:
    team.apply(a_resource().with_(run={"backoffLimit": 1}))
    pods = Pods(team)
    told = kubelet.failure(ExitCode.TRANSIENT, Reason.STORAGE_UNAVAILABLE, "no route to minio")

    pods.end(pods.run(), 40, told)
    wait_until(lambda: "lastFailure" in team.status, "the failure to be told", seconds=20.0)
    between = team.status
    pods.end(pods.run(), 40, told)
    status = team.until_phase("Failed")

    assert between["lastFailure"]["reason"] == "StorageUnavailable"
    assert (status["run"]["attempt"], status["lastFailure"]["exitCode"]) == (2, 40)
    failed = next(each for each in status["conditions"] if each["type"] == "Failed")
    assert failed["reason"] == "StorageUnavailable"


def test_a_disruption_costs_no_attempt(team: Team) -> None:
    team.apply(a_resource().with_(run={"backoffLimit": 0}))
    pods = Pods(team)
    team.write_status("pod", pods.run(), kubelet.disrupted(now()))

    pod = pods.run()
    pods.end(pod, 0, kubelet.success())
    status = team.until_phase("Succeeded")

    assert status["run"]["attempt"] == 1
    assert status["lastFailure"]["reason"] == "Interrupted"


def test_suspending_takes_the_pod_away_and_resuming_gives_another(team: Team) -> None:
    team.apply()
    pods = Pods(team)
    pods.run()
    team.until_phase("Running")

    team.apply(a_resource().with_(run={"suspend": True}))
    team.until_phase("Suspended")
    team.kubectl("delete", "pods", "--all", "--force", "--grace-period=0")  # as the kubelet ends it
    team.apply(a_resource())
    pod = pods.run()
    pods.end(pod, 0, kubelet.success())

    team.until_phase("Succeeded")
    assert len(team.jobs) == 1


def test_a_pod_that_fits_nowhere_is_told_in_the_schedulers_words(team: Team) -> None:
    team.apply(a_resource().with_(worker={"resources": {"limits": {"nvidia.com/gpu": 9}}}))

    until_admitted_says(team, "Unschedulable", "nvidia.com/gpu")


@pytest.mark.parametrize(("refuse", "words"), REFUSALS.values(), ids=REFUSALS)
def test_a_pod_that_is_refused_is_told_within_ten_seconds_in_the_servers_words(
    team: Team, refuse: Callable[[Team], None], words: str
) -> None:
    refuse(team)

    team.apply()
    until_admitted_says(team, "AdmissionDenied", words)

    assert team.written()["patch/modeloptimizations/status"] <= 2


def test_a_service_account_that_is_not_there_is_told_within_ten_seconds(team: Team) -> None:
    team.apply(a_resource().with_(worker={"serviceAccountName": "nobody"}))

    until_admitted_says(team, "AdmissionDenied", "nobody")


def until_admitted_says(team: Team, reason: str, words: str) -> None:
    """Wait at most ten seconds for a reason, and for the words that go with it."""

    def told() -> bool:
        conditions = {each["type"]: each for each in team.status.get("conditions", [])}
        admitted = conditions.get("Admitted", {})
        return admitted.get("reason") == reason and words in admitted["message"]

    wait_until(told, f"{reason}: {words}", seconds=10.0, every=0.1)


KUBELETS = {
    "an image that is not there": (
        "ImagePullBackOff",
        kubelet.waiting("ErrImagePull", "manifest unknown"),
        "manifest unknown",
    ),
    "a Secret that is not there": (
        "CreateContainerConfigError",
        kubelet.waiting("CreateContainerConfigError", 'secret "s3-creds" not found'),
        'secret "s3-creds" not found',
    ),
}


@pytest.mark.parametrize(("reason", "status", "words"), KUBELETS.values(), ids=KUBELETS)
def test_what_hinders_a_kubelet_is_told_in_its_words(
    team: Team, reason: str, status: Document, words: str
) -> None:
    team.apply()
    team.write_status("pod", Pods(team).next(), status)

    until_admitted_says(team, reason, words)


def test_a_worker_that_runs_out_of_memory_is_tried_once_more_and_then_the_run_fails(
    team: Team,
) -> None:
    team.apply(a_resource().with_(worker={"resources": {"limits": {"memory": "1Gi"}}}))
    pods = Pods(team)
    for _ in range(2):
        killed = kubelet.ended(137, reason="OOMKilled", finished=now())
        team.write_status("pod", pods.run(), killed)
    status = team.until_phase("Failed")

    written = team.written()
    assert (written["create/jobs"], written["delete/jobs"]) == (2, 2)
    assert status["lastFailure"]["reason"] == "OutOfMemory"
    assert "1Gi" in status["lastFailure"]["message"]
    assert (status["run"]["lean"], status["run"]["attempt"]) == (True, 2)


DELETE = {**a_resource().spec["output"], "deletionPolicy": "Delete"}


def published(team: Team, pods: "Pods") -> None:
    """Let a run publish whose results are to go with its resource."""
    team.apply(a_resource().with_(output=DELETE))
    pods.end(pods.run(), 0, kubelet.success())
    team.until_phase("Succeeded")
    assert team.get("mo", "digits")["metadata"]["finalizers"] == ["lathe.dev/clean-up"]


def reasons(team: Team) -> set[str]:
    """Reasons of all Events about the team's resources."""
    return {event["reason"] for event in team.get("events")["items"]}


@pytest.mark.parametrize("cascade", ["background", "foreground"])
def test_results_are_removed_before_the_resource_goes(team: Team, cascade: str) -> None:
    pods = Pods(team)
    published(team, pods)

    team.kubectl("delete", "mo", "digits", f"--cascade={cascade}", "--wait=false")
    pods.end(pods.run(), 0, "{}")

    team.kubectl("wait", "mo/digits", "--for=delete", "--timeout=30s")
    assert "CleanedUp" in reasons(team)
    assert team.written()["patch/modeloptimizations"] == 2


def test_a_worker_that_might_publish_ends_before_results_are_removed(team: Team) -> None:
    pods = Pods(team)
    published(team, pods)
    team.kubectl("annotate", "mo", "digits", f"{RESTART}=again")
    worker = pods.run()
    team.until_phase("Running")

    team.kubectl("delete", "mo", "digits", "--wait=false")
    job = worker.rpartition("-")[0]
    team.kubectl("wait", f"job/{job}", "--for=jsonpath={.metadata.deletionTimestamp}")
    team.kubectl("delete", "pod", worker, "--force", "--grace-period=0")  # as the kubelet ends it
    pods.end(pods.run(), 30, kubelet.failure(message="the bucket may not be written to"))

    team.kubectl("wait", "mo/digits", "--for=delete", "--timeout=30s")
    assert "CleanUpFailed" in reasons(team)


def test_a_namespace_goes_although_its_results_stay(team: Team) -> None:
    published(team, Pods(team))

    team.kubectl("delete", "namespace", team.namespace, "--wait=false")

    def gone() -> bool:
        try:
            team.get("mo", "digits")
        except KubectlError:
            return True
        return False

    wait_until(gone, "the resource to go", seconds=60.0, every=0.5)


def test_a_resource_that_is_deleted_takes_everything_along(team: Team) -> None:
    team.apply()
    Pods(team).run()
    team.until_phase("Running")
    before = team.written()

    team.kubectl("delete", "mo", "digits")
    team.kubectl("wait", "jobs", "--all", "--for=delete", "--timeout=30s")

    assert team.written() == before


def test_a_finished_resource_is_deleted_in_time(team: Team) -> None:
    team.apply(a_resource().with_(run={"ttlSecondsAfterFinished": 1}))
    pods = Pods(team)
    pods.end(pods.run(), 0, kubelet.success())

    team.kubectl("wait", "mo/digits", "--for=delete", "--timeout=30s")
    assert team.written()["delete/modeloptimizations"] == 1


def test_a_job_that_somebody_deletes_fails_its_run(team: Team) -> None:
    team.apply()
    Pods(team).run()
    team.until_phase("Running")

    team.kubectl("delete", "jobs", "--all")

    status = team.until_phase("Failed")
    ready = next(each for each in status["conditions"] if each["type"] == "Ready")
    assert ready["reason"] == "JobDeleted"
