"""What may be run in a cluster: the administrator's say, and what users may not pretend to be."""

from typing import Any

import pytest

from lathe_api.validation import Invalid
from lathe_operator.decide.admission import MAX_ANNOTATIONS, Admitted, admit
from lathe_operator.observe import observe
from lathe_operator.values import Policy
from tests.builders import TORCH_MODEL, ResourceBuilder, a_resource, target
from tests.refused import REFUSED
from tests.world import POLICY, World

STATE_DICT = a_resource().with_(model={**TORCH_MODEL, "format": "StateDict"})
ALLOWED = Policy("worker:1", allowed_images=("registry.corp/lathe/*",))


def judged(resource: ResourceBuilder, policy: Policy = POLICY) -> Admitted | Invalid:
    world = World(resource)
    seen = observe(world.ref, world.cluster, world.cluster.now)
    assert seen is not None
    return admit(seen, policy)


def image(name: str) -> ResourceBuilder:
    return a_resource().with_(worker={"image": name})


LONG = [
    {"name": f"step-{i}", "prune": {"target": {"params": 0.9}, "ignore": ["y" * 250] * 20}}
    for i in range(32)
]


def worker(**fields: Any) -> ResourceBuilder:
    return a_resource().with_(worker=fields)


ADMITTED: dict[str, tuple[ResourceBuilder, Policy]] = {
    "what asks for nothing special": (a_resource(), POLICY),
    "a torch file where it is allowed": (STATE_DICT, Policy("w", allow_state_dict=True)),
    "any image where none is listed": (image("docker.io/me/mine:1"), POLICY),
    "an image that is listed": (image("registry.corp/lathe/worker@sha256:00"), ALLOWED),
    "labels and annotations of users": (
        worker(labels={"team": "vision"}, annotations={"corp.example/cost": "42"}),
        POLICY,
    ),
    "a node selector that agrees with the target": (
        worker(nodeSelector={"nvidia.com/gpu.product": "NVIDIA-L4"}).targets(
            target("l4", "TensorRT", gpu={"product": "NVIDIA-L4"})
        ),
        POLICY,
    ),
}


@pytest.mark.parametrize(("resource", "policy"), ADMITTED.values(), ids=ADMITTED)
def test_it_may_be_run(resource: ResourceBuilder, policy: Policy) -> None:
    assert isinstance(judged(resource, policy), Admitted)


FORBIDDEN: dict[str, tuple[str, ResourceBuilder, Policy]] = {
    "a torch file": ("model.format", STATE_DICT, POLICY),
    "an image from elsewhere": ("worker.image", image("docker.io/me/mine:1"), ALLOWED),
    "an image whose name only begins like it": (
        "worker.image",
        image("registry.corp/lathe-evil/worker"),
        ALLOWED,
    ),
    "a label of ours": ("worker.labels", worker(labels={"lathe.dev/managed": "x"}), POLICY),
    "a label below our domain": ("worker.labels", worker(labels={"a.lathe.dev/b": "x"}), ALLOWED),
    "a queue by the back door": (
        "worker.labels",
        worker(labels={"kueue.x-k8s.io/queue-name": "fast"}),
        POLICY,
    ),
    "another plan than the one that was checked": (
        "worker.annotations",
        worker(annotations={"lathe.dev/plan": "{}"}),
        POLICY,
    ),
    "a node selector that contradicts the target": (
        "targets[0].gpu.product",
        worker(nodeSelector={"nvidia.com/gpu.product": "NVIDIA-A10"}).targets(
            target("l4", "TensorRT", gpu={"product": "NVIDIA-L4"})
        ),
        POLICY,
    ),
    "more than a pod can carry": (
        "",
        worker(annotations={f"note-{i}": "x" * 4096 for i in range(32)}).steps(*LONG),
        POLICY,
    ),
}


@pytest.mark.parametrize(("path", "resource", "policy"), FORBIDDEN.values(), ids=FORBIDDEN)
def test_it_may_not_be_run(path: str, resource: ResourceBuilder, policy: Policy) -> None:
    found = judged(resource, policy)

    assert isinstance(found, Invalid)
    assert path in [finding.path for finding in found.findings]


@pytest.mark.parametrize("resource", REFUSED.values(), ids=REFUSED)
def test_what_the_schema_refuses_is_refused_here_too(resource: ResourceBuilder) -> None:
    assert isinstance(judged(resource), Invalid)


def test_the_limit_is_the_servers() -> None:
    assert MAX_ANNOTATIONS == 256 * 1024
