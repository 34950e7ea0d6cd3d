"""What the operator writes in a resource's life, as templates for the twin and for the players."""

import asyncio
import json
from pathlib import Path
from typing import Any

from lathe_api.v1alpha1.resource import KIND
from tests import kubelet
from tests.builders import DISTILL, EXPORT, PRUNE, QUANTIZE, ResourceBuilder, a_resource
from tests.world import World

Document = dict[str, Any]

STARTED, SUCCEEDED = "Started", "Succeeded"


def resource(*, queued: bool = False) -> ResourceBuilder:
    """The resource that every arm gets: four steps, three data sets, one target.

    In a queue, its Job waits for ever and nothing but it is asked of the cluster.
    """
    chain = a_resource().steps(PRUNE, DISTILL, EXPORT, QUANTIZE)
    return chain.with_(scheduling={"queueName": "team"}) if queued else chain


async def _life(made: ResourceBuilder) -> Document:
    """The documents of one life, told by the operator's own decisions in a cluster in memory."""
    world = World(made)
    statuses: Document = {}

    def told() -> None:
        status = world.cluster.one(KIND)["status"]
        statuses[status["phase"]] = status

    await world.settle()
    await world.pass_time(3)
    job = world.job
    told()
    world.cluster.put("Job", {**job, "spec": {**job["spec"], "suspend": False}})
    world.start_pod()
    await world.settle()
    told()
    world.end(0, kubelet.success())
    await world.settle()
    told()
    events = {event["reason"]: event for event in world.cluster.all("Event")}
    return {"job": job, "statuses": statuses, "events": events}


def templates(path: Path, *, queued: bool = False) -> Path:
    """Write what twin, loader and kubelet need into a file."""
    made = resource(queued=queued)
    life = asyncio.run(_life(made))
    for document in (life["job"], *life["events"].values()):
        for field in ("uid", "resourceVersion", "creationTimestamp"):
            document["metadata"].pop(field, None)
    ended = kubelet.ended(0, kubelet.success(), started="@TIME@", finished="@TIME@")
    document = {
        **life,
        "resource": made.document(),
        "running": kubelet.running("@TIME@"),
        "ended": ended,
    }
    path.write_text(json.dumps(document))
    return path
