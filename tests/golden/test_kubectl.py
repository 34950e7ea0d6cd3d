"""What `kubectl lathe` shows, whole."""

import copy
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from lathe_api.v1alpha1.resource import KIND
from lathe_kubectl import difference, overview, status
from lathe_kubectl.seen import Seen, seen
from lathe_kubectl.text import coloured, plain, table, tree
from tests.builders import DYNAMIC, PRUNE, a_resource, target
from tests.golden.test_statuses import gate_failed, pending, retrying, succeeded, unschedulable
from tests.golden_files import Golden, without_digests
from tests.world import World, a_running_world

Document = dict[str, Any]
Story = Callable[[], Awaitable[World]]


def resource_of(world: World) -> Document:
    body = copy.deepcopy(world.cluster.objects[KIND, world.ref])
    body["metadata"]["creationTimestamp"] = "2026-11-20T09:58:00Z"
    return body


def seen_in(world: World, resource: Document | None = None) -> Seen:
    owned = [{**body, "kind": kind} for kind in ("Job", "Pod") for body in world.cluster.all(kind)]
    now = world.cluster.now + timedelta(minutes=3)
    return seen(resource or resource_of(world), owned, now)


def shown(found: Seen) -> str:
    return without_digests("\n".join(tree(status.tree(found), plain)) + "\n")


STORIES: tuple[Story, ...] = (pending, unschedulable, retrying, succeeded, gate_failed)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
async def test_the_tree_of_a_status(story: Story, golden: Golden) -> None:
    world = await story()

    name = story.__name__.replace("_", "-")
    golden(f"kubectl-status-{name}.txt", shown(seen_in(world)))


GATES = {"dataset": "val", "metrics": ["Top1"], "gates": [{"metric": "Top1", "maxDrop": "0.01"}]}


async def test_the_tree_of_a_run_of_two_stages_with_everything_that_can_be_seen(
    golden: Golden,
) -> None:
    world = await a_running_world(a_resource().with_(evaluation=GATES))
    resource = resource_of(world)
    job = world.job["metadata"]["name"]
    resource["metadata"]["generation"] = 2
    resource["status"] |= {
        "progress": {
            "percent": 42,
            "step": "quantize",
            "stepIndex": 3,
            "steps": 5,
            "message": "calibrates on 512 samples",
            "updated": "2026-11-20T10:02:30Z",
        },
        "targets": [{"name": "cpu", "state": "Running", "job": job, "gpuProduct": "NVIDIA-L4"}],
        "history": [
            {
                "key": "0" * 64,
                "phase": "Failed",
                "reason": "OutOfMemory",
                "startTime": "2026-11-20T09:00:00Z",
                "completionTime": "2026-11-20T09:10:00Z",
            }
        ],
        "ofANewerVersion": {"who": "knows"},
    }
    resource["status"]["run"]["stages"] = [{"name": "compress", "job": job, "state": "Running"}]

    golden("kubectl-status-everything.txt", shown(seen_in(world, resource)))


async def test_how_far_the_run_before_had_come_is_not_shown() -> None:
    world = await a_running_world()
    resource = resource_of(world)
    resource["status"]["progress"] = {"percent": 100, "updated": "2026-11-20T09:00:00Z"}

    assert "100%" not in shown(seen_in(world, resource))


async def test_a_terminal_gets_colours_and_nothing_that_steers_it() -> None:
    world = await succeeded()
    resource = resource_of(world)
    resource["status"]["targets"][0]["message"] = "\033]0;owned\007"

    lines = list(tree(status.tree(seen_in(world, resource)), coloured))

    assert lines[0].startswith("\033[1mdigits\033[0m  \033[32mSucceeded\033[0m")
    assert not any("\033]" in line or "\007" in line for line in lines)


async def test_the_table_of_resources(golden: Golden) -> None:
    stories = [await story() for story in STORIES]
    found = [resource_of(world) for world in stories]
    for number, resource in enumerate(found):
        resource["metadata"]["name"] = f"digits-{number}"

    rows = overview.rows(
        overview.chosen(found, ""), stories[0].cluster.now + timedelta(minutes=3), everywhere=True
    )
    golden("kubectl-list.txt", "\n".join(table(list(rows), plain)) + "\n")


async def test_what_tells_two_resources_apart(golden: Golden) -> None:
    one, two = await succeeded(), await gate_failed()
    left, right = resource_of(one), resource_of(two)
    left["spec"] = a_resource().steps({"name": "halve", **PRUNE}).spec
    smaller = {"name": "halve", "prune": {"target": {"params": 0.3}}}
    right["spec"] = a_resource().steps(smaller).targets(target("cpu", "ONNXRuntime", DYNAMIC)).spec

    sides = [difference.of_resource(name, each) for name, each in (("a", left), ("b", right))]
    found = difference.between(sides[0].asked, sides[1].asked)

    rows = list(difference.rows(sides[0], sides[1], found))
    golden("kubectl-diff.txt", "\n".join(table(rows, plain)) + "\n")
