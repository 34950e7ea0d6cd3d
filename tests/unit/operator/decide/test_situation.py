"""Where a run is said to be, for everything that Job controller, scheduler and kubelet may say."""

from collections.abc import Callable

import pytest

from lathe_api.v1alpha1.status import ConditionType, TargetStatus
from lathe_steps.reasons import ExitCode, Reason
from tests import kubelet
from tests.builders import a_resource, target
from tests.world import World, a_running_world

Told = tuple[str, str]
Story = Callable[[World], object]

HANGS: dict[str, tuple[Told, dict[str, object]]] = {
    "no node takes the pod": (("Pending", "Unschedulable"), kubelet.unschedulable()),
    "the image is not there": (
        ("Pending", "ImagePullBackOff"),
        kubelet.waiting("ErrImagePull", "manifest unknown"),
    ),
    "the image is still not there": (
        ("Pending", "ImagePullBackOff"),
        kubelet.waiting("ImagePullBackOff", "Back-off pulling image"),
    ),
    "the Secret is not there": (
        ("Pending", "CreateContainerConfigError"),
        kubelet.waiting("CreateContainerConfigError", 'secret "s3-creds" not found'),
    ),
    "the kubelet is about to start it": (
        ("Pending", "Pending"),
        kubelet.waiting("ContainerCreating"),
    ),
    "the scheduler has not looked yet": (("Pending", "Pending"), {"phase": "Pending"}),
    "the worker runs": (("Running", "InProgress"), kubelet.running()),
}


@pytest.mark.parametrize(("told", "status"), HANGS.values(), ids=HANGS)
async def test_a_pod_on_its_way(told: Told, status: dict[str, object]) -> None:
    world = World()
    await world.settle()

    world.start_pod(status=status)
    await world.pass_time(3)

    assert world.told == told


@pytest.mark.parametrize("hang", ["no node takes the pod", "the Secret is not there"])
async def test_what_hinders_a_pod_is_said_in_the_clusters_words(hang: str) -> None:
    world = World()
    await world.settle()
    _, status = HANGS[hang]

    world.start_pod(status=status)
    await world.settle()

    words = {
        "no node takes the pod": "5 Insufficient gpu",
        "the Secret is not there": 'secret "s3-creds" not found',
    }
    assert words[hang] in world.condition(ConditionType.READY).message


async def test_words_that_change_by_themselves_do_not_flap() -> None:
    world = World()
    await world.settle()
    pod = world.start_pod(status=kubelet.waiting("ErrImagePull", "manifest unknown"))
    await world.settle()
    before = world.status

    world.pod_status(pod, kubelet.waiting("ImagePullBackOff", "Back-off pulling image"))
    await world.settle()

    assert world.status == before


TARGET = TargetStatus(name="cpu", state="Succeeded")
MANY_TARGETS = tuple(TargetStatus(name=f"t{i}", state="Succeeded") for i in range(17))

ENDS: dict[str, tuple[Told, Story]] = {
    "the worker says that it is done": (
        ("Succeeded", "Succeeded"),
        lambda world: world.end(0, kubelet.success()),
    ),
    "the worker says that a gate failed": (
        ("Failed", "GateFailed"),
        lambda world: world.end(
            10, kubelet.failure(ExitCode.GATE_FAILED, Reason.GATE_FAILED, "Top1 fell by 0.2")
        ),
    ),
    "the worker says that the object is not there": (
        ("Failed", "ObjectNotFound"),
        lambda world: world.end(30, kubelet.failure(ExitCode.BAD_INPUT, Reason.OBJECT_NOT_FOUND)),
    ),
    "somebody killed the worker": (
        ("Failed", "JobFailed"),
        lambda world: _end(world, kubelet.ended(137)),
    ),
    "the pod used more disk than it was given": (
        ("Failed", "DiskFull"),
        lambda world: _end(
            world,
            {"phase": "Failed", "reason": "Evicted", "message": "exceeds the limit 20Gi"},
        ),
    ),
    "the cluster took the pod away too often": (
        ("Failed", "Interrupted"),
        lambda world: _end(world, kubelet.disrupted()),
    ),
    "the worker crashed without a word": (
        ("Failed", "JobFailed"),
        lambda world: _end(world, kubelet.ended(139)),
    ),
    "the worker failed with words that are no outcome": (
        ("Failed", "JobFailed"),
        lambda world: world.end(50, "Traceback (most recent call last):"),
    ),
    "the worker's outcome belies its exit code": (
        ("Failed", "JobFailed"),
        lambda world: world.end(50, kubelet.success()),
    ),
    "the worker names its run in more words than a status holds": (
        ("Failed", "JobFailed"),
        lambda world: world.end(0, kubelet.success(run_key="5" * 300)),
    ),
    "the worker tells of a target twice": (
        ("Failed", "JobFailed"),
        lambda world: world.end(0, kubelet.success(targets=2 * (TARGET,))),
    ),
    "the worker tells of more targets than there can be": (
        ("Failed", "JobFailed"),
        lambda world: world.end(0, kubelet.success(targets=MANY_TARGETS, artifacts=())),
    ),
    "the worker measured what is no number": (
        ("Failed", "JobFailed"),
        lambda world: world.end(0, kubelet.success().replace("12.5", "NaN")),
    ),
    "the worker measured what is more than a number": (
        ("Failed", "JobFailed"),
        lambda world: world.end(0, kubelet.success().replace("12.5", "1e999")),
    ),
    "the container ended well, but is no worker": (
        ("Failed", "JobFailed"),
        lambda world: world.end(0, "hello"),
    ),
    "the container ended well and claims that it failed": (
        ("Failed", "JobFailed"),
        lambda world: world.end(0, kubelet.failure()),
    ),
    "the Job ran into the limit for an operator that is down": (
        ("Failed", "DeadlineExceeded"),
        lambda world: world.job_status(kubelet.failed("DeadlineExceeded", "Job was active long")),
    ),
    "the Job gave up and its pods are gone": (
        ("Failed", "BackoffLimitExceeded"),
        lambda world: _gone(world, kubelet.failed("BackoffLimitExceeded", "reached the limit")),
    ),
    "the Job completed and its pod is gone": (
        ("Failed", "JobFailed"),
        lambda world: _gone(world, kubelet.complete()),
    ),
}


def _end(world: World, status: dict[str, object]) -> None:
    world.pod_status(world.cluster.one("Pod")["metadata"]["name"], status)
    world.job_status(kubelet.failed())


def _gone(world: World, status: dict[str, object]) -> None:
    world.cluster.remove("Pod", world.cluster.one("Pod")["metadata"]["name"])
    world.job_status(status)


@pytest.mark.parametrize(("told", "story"), ENDS.values(), ids=ENDS)
async def test_the_end_of_a_run(told: Told, story: Story) -> None:
    world = await a_running_world()

    story(world)
    await world.pass_time(20)

    assert world.told == told
    assert world.status.run is not None
    assert world.status.run.completion_time is not None


async def test_names_that_are_longer_than_a_column_are_cut() -> None:
    targets = [target(f"{i:02}-{'t' * 37}") for i in range(16)]
    model = {**a_resource().spec["model"], "uri": f"s3://models/{'m' * 900}/"}
    world = World(a_resource().with_(model=model).targets(*targets))

    await world.settle()
    world.start_pod()
    await world.settle()

    assert world.told == ("Running", "InProgress")


async def test_the_last_words_may_come_after_the_jobs_end() -> None:
    world = await a_running_world()
    world.job_status(kubelet.complete())
    await world.pass_time(5)
    assert world.told == ("Running", "InProgress")

    world.end(0, kubelet.success())
    await world.settle()

    assert world.told == ("Succeeded", "Succeeded")


async def test_another_jobs_pod_is_not_believed() -> None:
    world = await a_running_world()
    ours = world.job["metadata"]["name"]
    other = world.cluster.put("Job", {**world.job, "metadata": {"name": "other"}})

    world.cluster.start_pod(other, status=kubelet.ended(0, kubelet.success()))
    world.pod_status(f"{ours}-a", kubelet.ended(50, kubelet.failure()))
    world.cluster.status("Job", ours, kubelet.failed())
    await world.settle()

    assert world.told == ("Failed", "StepFailed")


async def test_between_two_attempts_the_run_goes_on_and_says_why_the_last_failed() -> None:
    world = await a_running_world()
    pod = world.cluster.one("Pod")["metadata"]["name"]

    world.pod_status(pod, kubelet.ended(50, kubelet.failure()))
    world.job_status({"failed": 1})
    await world.settle()

    failure = world.status.last_failure
    assert world.told == ("Running", "Retrying")
    assert failure is not None
    assert (failure.reason, failure.pod, failure.exit_code) == (Reason.STEP_FAILED, pod, 50)
    assert world.status.run is not None
    assert world.status.run.attempt == 2


JUST_FAILED: dict[str, dict[str, object]] = {
    "the Job has not counted it yet": {},
    "the Job is about to give up": {
        "failed": 1,
        "conditions": [{"type": "FailureTarget", "status": "True"}],
    },
}


@pytest.mark.parametrize("job", JUST_FAILED.values(), ids=JUST_FAILED)
async def test_a_failure_that_may_be_the_last_is_not_called_an_attempt(
    job: dict[str, object],
) -> None:
    world = await a_running_world()
    before = world.status

    world.pod_status(
        world.cluster.one("Pod")["metadata"]["name"], kubelet.ended(50, kubelet.failure())
    )
    world.job_status(job)
    await world.settle()

    assert world.status == before


async def test_a_disruption_does_not_count_as_an_attempt() -> None:
    world = await a_running_world()

    world.pod_status(world.cluster.one("Pod")["metadata"]["name"], kubelet.disrupted())
    await world.settle()

    failure = world.status.last_failure
    assert world.told == ("Running", "Retrying")
    assert failure is not None
    assert failure.reason is Reason.INTERRUPTED
    assert world.status.run is not None
    assert world.status.run.attempt == 1


async def test_a_next_attempt_that_cannot_start_says_so() -> None:
    world = await a_running_world()
    world.pod_status(world.cluster.one("Pod")["metadata"]["name"], kubelet.ended(40))
    world.job_status({"failed": 1})

    world.cluster.now += kubelet.MINUTE
    world.start_pod("b", kubelet.unschedulable())
    await world.settle()

    assert world.told == ("Pending", "Unschedulable")


async def test_a_run_that_succeeds_after_a_failure_remembers_it() -> None:
    world = await a_running_world()
    world.pod_status(
        world.cluster.one("Pod")["metadata"]["name"], kubelet.ended(50, kubelet.failure())
    )
    world.job_status({"failed": 1})
    world.cluster.now += kubelet.MINUTE
    world.start_pod("b")
    world.end(0, kubelet.success())
    await world.settle()

    assert world.told == ("Succeeded", "Succeeded")
    assert world.status.last_failure is not None
    assert world.status.last_failure.reason is Reason.STEP_FAILED


async def test_a_run_that_does_not_start_in_time_ends() -> None:
    world = World(a_resource().with_(run={"pendingDeadlineSeconds": 600}))
    await world.settle()
    world.start_pod(status=kubelet.unschedulable())
    await world.settle()
    assert world.again is not None

    await world.pass_time(world.again.total_seconds() - 1)
    assert world.told == ("Pending", "Unschedulable")
    await world.pass_time(1)

    assert world.told == ("Failed", "PendingDeadlineExceeded")
    assert world.cluster.all("Job") == []


async def test_a_run_whose_job_the_server_never_takes_ends() -> None:
    world = World(a_resource().with_(run={"pendingDeadlineSeconds": 600}))
    world.cluster.refuse["Job"] = "exceeded quota"
    await world.settle()

    for _ in range(20):
        await world.pass_time(31)

    assert world.told == ("Failed", "PendingDeadlineExceeded")


async def test_waiting_for_a_node_is_not_running_time() -> None:
    world = World(a_resource().with_(run={"activeDeadlineSeconds": 600}))
    await world.settle()
    await world.pass_time(3600)
    assert world.told == ("Pending", "Pending")

    time = world.cluster.now.strftime("%Y-%m-%dT%H:%M:%SZ")
    world.start_pod(status=kubelet.running(time))
    await world.pass_time(599)
    assert world.told == ("Running", "InProgress")
    await world.pass_time(1)

    assert world.told == ("Failed", "DeadlineExceeded")
    assert world.cluster.all("Job") == []


async def test_time_in_suspension_counts_for_no_deadline() -> None:
    run = {"pendingDeadlineSeconds": 600, "activeDeadlineSeconds": 600}
    world = World(a_resource().with_(run=run))
    await world.settle()
    pod = world.start_pod()
    await world.pass_time(300)

    world.edit(run={**run, "suspend": True})
    await world.settle()
    world.cluster.remove("Pod", pod)
    await world.pass_time(86_400)
    world.edit(run=run)
    await world.pass_time(0)
    assert world.told == ("Pending", "Pending")
    await world.pass_time(599)
    assert world.told == ("Pending", "Pending")
    await world.pass_time(1)

    assert world.told == ("Failed", "PendingDeadlineExceeded")


async def test_a_job_that_a_queue_has_let_go_is_pending() -> None:
    world = World(a_resource().with_(scheduling={"queueName": "team-a"}))
    await world.settle()
    assert world.told == ("Queued", "WaitingForQuota")

    job = world.job
    world.cluster.put("Job", {**job, "spec": {**job["spec"], "suspend": False}})
    await world.settle()

    assert world.told == ("Pending", "Pending")


async def test_a_job_that_somebody_suspended_by_hand_goes_on() -> None:
    world = await a_running_world()
    job = world.job

    world.cluster.put("Job", {**job, "spec": {**job["spec"], "suspend": True}})
    await world.settle()

    assert world.job["spec"]["suspend"] is False
