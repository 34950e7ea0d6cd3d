"""Facts: what metrics count, once, when it is told."""

from collections.abc import Awaitable, Callable

import pytest

from lathe_api.v1alpha1.evaluation import Metric
from lathe_api.v1alpha1.status import MetricStatus, StepStatus
from lathe_operator.decide.names import RESTART
from lathe_operator.facts import AttemptFailed, Ended, Fact, Started, StepDone
from lathe_steps.reasons import ExitCode, Reason
from tests import kubelet
from tests.builders import EXPORT, PRUNE, QUANTIZE, a_resource, target
from tests.world import World, a_finished_world, a_running_world

Story = Callable[[], Awaitable[World]]


async def restarted_after_the_end() -> World:
    world = await a_finished_world()
    world.restart_operator()
    await world.settle()
    return world


async def edited_after_the_end() -> World:
    world = await a_finished_world()
    world.edit(run={"ttlSecondsAfterFinished": 86400})
    await world.settle()
    return world


async def an_attempt_that_failed() -> World:
    world = await a_running_world()
    pod = world.cluster.one("Pod")["metadata"]["name"]
    world.pod_status(pod, kubelet.ended(137, reason="OOMKilled"))
    world.job_status({"failed": 1})
    await world.settle()
    world.start_pod("b")
    world.end(0, kubelet.success())
    await world.settle()
    return world


async def invalid_and_invalid_still() -> World:
    world = World(a_resource().steps(EXPORT, PRUNE))
    await world.settle()
    await world.pass_time(60)
    return world


async def done_twice() -> World:
    world = await a_finished_world()
    world.annotate(**{RESTART: "now"})
    await world.settle()
    world.start_pod("b")
    world.end(0, kubelet.success())
    await world.settle()
    return world


async def cancelled() -> World:
    world = await a_running_world()
    world.edit(run={"cancel": True})
    await world.settle()
    return world


def kind_of(fact: Fact) -> str:
    """The fact in a word."""
    match fact:
        case Started():
            return "started"
        case AttemptFailed(reason):
            return f"again after {reason}"
        case Ended(result, reason):
            return f"{result} {reason}"


RAN = ["started", "Succeeded Succeeded"]
STORIES: dict[str, tuple[list[str], Story]] = {
    "a run": (RAN, a_finished_world),
    "a run, and another process afterwards": (RAN, restarted_after_the_end),
    "a run whose policy is edited afterwards": (RAN, edited_after_the_end),
    "a run whose first attempt failed": (
        ["started", "again after OutOfMemory", "Succeeded Succeeded"],
        an_attempt_that_failed,
    ),
    "an invalid resource that is looked at twice": (
        ["Failed InvalidSpec"],
        invalid_and_invalid_still,
    ),
    "work that was done twice": (RAN * 2, done_twice),
    "a run that is cancelled": (["started", "Cancelled Cancelled"], cancelled),
}


@pytest.mark.parametrize(("facts", "story"), STORIES.values(), ids=STORIES)
async def test_what_is_counted(facts: list[str], story: Story) -> None:
    world = await story()

    assert [kind_of(fact) for fact in world.facts] == facts


async def test_the_wait_for_a_worker_begins_with_the_job() -> None:
    world = World()
    await world.settle()
    world.cluster.now += 3 * kubelet.MINUTE
    world.start_pod(status=kubelet.running(f"{world.cluster.now:%Y-%m-%dT%H:%M:%SZ}"))
    await world.settle()

    assert world.facts == [Started(180.0)]


async def test_the_time_for_which_a_run_is_held_back_is_no_wait() -> None:
    world = World()
    await world.pass_time(3)
    world.edit(run={"suspend": True})
    await world.settle()
    world.cluster.now += 60 * kubelet.MINUTE
    world.edit(run={"suspend": False})
    await world.settle()
    world.cluster.now += kubelet.MINUTE
    world.start_pod(status=kubelet.running(f"{world.cluster.now:%Y-%m-%dT%H:%M:%SZ}"))
    await world.settle()

    assert world.facts == [Started(60.0)]


def told(**changes: object) -> str:
    """The last words of a run whose steps have names of the user's choice."""
    return kubelet.success(
        steps=(
            StepStatus(name="halve", state="Succeeded", seconds=12.5),
            StepStatus(name="export", state="Succeeded", seconds=1, cache="Hit"),
            StepStatus(name="cpu/quantize", state="Succeeded", seconds=3),
            StepStatus(name="of-another-image", state="Succeeded", seconds=3),
        ),
        metrics=(
            MetricStatus(name=Metric.SIZE_BYTES, target="cpu", input=100, output=25),
            MetricStatus(name=Metric.LATENCY_P50, target="cpu", input=3, output=2),
            MetricStatus(name=Metric.LATENCY_P50, target="odd", input=3, output=0),
        ),
        **changes,
    )


async def an_end(words: str, exit_code: int = 0) -> Ended:
    steps = {"name": "halve", **PRUNE}
    resource = a_resource().steps(steps).targets(target("cpu", "ONNXRuntime", QUANTIZE))
    world = await a_running_world(resource)
    world.end(exit_code, words)
    await world.settle()
    (ended,) = [fact for fact in world.facts if isinstance(fact, Ended)]
    return ended


async def test_an_end_tells_what_was_made_by_kinds_of_steps() -> None:
    ended = await an_end(told(cache="Miss"))

    assert ended.hit is False
    assert ended.steps == (
        StepDone("prune", 12.5, hit=False),
        StepDone("export", 1, hit=True),
        StepDone("quantize", 3, hit=False),
        StepDone("", 3, hit=False),
    )
    assert ended.artifact_bytes == (41_000,)
    assert (ended.size_ratios, ended.speedups) == ((4.0,), (1.5,))
    assert ended.gates is None


async def test_figures_of_a_result_that_was_there_already_are_not_counted_again() -> None:
    ended = await an_end(told(cache="Hit"))

    assert ended.hit is True
    assert (ended.steps, ended.artifact_bytes, ended.size_ratios, ended.speedups) == (
        *((), ()),
        *((), ()),
    )


async def test_an_end_tells_which_gate_did_not_pass() -> None:
    words = kubelet.failure(
        ExitCode.GATE_FAILED,
        Reason.GATE_FAILED,
        "larger than allowed",
        gates=Reason.SIZE_ABOVE_THRESHOLD,
    )

    assert (await an_end(words, 10)).gates == "SizeAboveThreshold"
