"""What of a plan is done together: one Job for each hardware."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lathe_api.plan import plan_of
from lathe_api.stages import Stage, stages_of
from tests.builders import ResourceBuilder, a_resource, target

Document = dict[str, object]


def on_cpu(name: str, *isa: str) -> Document:
    return target(name, "ONNXRuntime", cpu={"isa": list(isa)})


def on_gpu(name: str, **gpu: object) -> Document:
    return target(name, "TensorRT", gpu=gpu)


def staged(resource: ResourceBuilder) -> tuple[Stage, ...]:
    return stages_of(plan_of(resource.parsed(), namespace="team", name=resource.name))


SLICE = {"mode": "MIG", "profile": "3g.40gb"}
A100 = "NVIDIA-A100-SXM4-80GB"

SPLITS: dict[str, tuple[list[tuple[str, tuple[str, ...]]], list[Document]]] = {
    "nothing that needs hardware is one stage": (
        [("whole", ("cpu", "rtx"))],
        [target("cpu"), target("rtx", "TensorRTRTX")],
    ),
    "one GPU for some is one stage for all": (
        [("whole", ("cpu", "l4", "also-l4"))],
        [target("cpu"), on_gpu("l4", product="NVIDIA-L4"), on_gpu("also-l4", product="NVIDIA-L4")],
    ),
    "two GPUs have a stage each; any node makes the rest": (
        [("compress", ("cpu",)), ("build1", ("l4",)), ("build2", ("t4",)), ("publish", ())],
        [on_gpu("l4", product="NVIDIA-L4"), target("cpu"), on_gpu("t4", product="Tesla-T4")],
    ),
    "targets on the same GPU share a pod": (
        [("compress", ()), ("build1", ("a", "c")), ("build2", ("b",)), ("publish", ())],
        [
            on_gpu("a", product="NVIDIA-L4"),
            on_gpu("b", product="Tesla-T4"),
            on_gpu("c", product="NVIDIA-L4"),
        ],
    ),
    "a slice of a GPU is not the GPU": (
        [("compress", ()), ("build1", ("all",)), ("build2", ("part",)), ("publish", ())],
        [on_gpu("all", product=A100), on_gpu("part", product=A100, partition=SLICE)],
    ),
    "a GPU by what it can do is not one by its name": (
        [("compress", ()), ("build1", ("a",)), ("build2", ("b",)), ("publish", ())],
        [on_gpu("a", product="NVIDIA-L4"), on_gpu("b", computeCapability="8.9")],
    ),
    "features of a CPU are a set": (
        [("whole", ("a", "b"))],
        [on_cpu("a", "avx2", "avx_vnni"), on_cpu("b", "avx_vnni", "avx2")],
    ),
    "a CPU and a GPU are seldom in one node": (
        [("compress", ()), ("build1", ("cpu",)), ("build2", ("l4",)), ("publish", ())],
        [on_cpu("cpu", "avx512_vnni"), on_gpu("l4", product="NVIDIA-L4")],
    ),
}


@pytest.mark.parametrize(("expected", "targets"), SPLITS.values(), ids=SPLITS)
def test_a_plan_is_split_by_hardware(
    expected: list[tuple[str, tuple[str, ...]]], targets: list[Document]
) -> None:
    stages = staged(a_resource().targets(*targets))

    assert expected == [(stage.name, stage.targets) for stage in stages]


HARDWARE = [
    {},
    {"runtime": "TensorRT", "gpu": {"product": "NVIDIA-L4"}},
    {"runtime": "TensorRT", "gpu": {"product": "Tesla-T4"}},
    {"runtime": "TensorRT", "gpu": {"computeCapability": "8.9", "partition": SLICE}},
    {"cpu": {"isa": ["avx2"]}},
    {"cpu": {"isa": ["avx512_vnni", "avx2"]}},
]


@given(st.lists(st.sampled_from(HARDWARE), min_size=1, max_size=16))
def test_every_target_is_made_once_and_nothing_needs_two_kinds_of_hardware(
    kinds: list[Document],
) -> None:
    targets = [{"name": f"t{i}", "runtime": "ONNXRuntime", **it} for i, it in enumerate(kinds)]
    stages = staged(a_resource().targets(*targets))

    made = [name for stage in stages for name in stage.targets]
    assert sorted(made) == sorted(f"t{i}" for i in range(len(kinds)))
    assert len({stage.hardware for stage in stages[1:-1]}) == len(stages[1:-1])
    assert all(len(stage.name) <= 7 for stage in stages[1:])
    assert len({stage.name for stage in stages}) == len(stages)
    assert (len(stages) == 1) == (len({str(it) for it in kinds if it}) <= 1)


def test_hardware_is_called_as_people_call_it() -> None:
    stages = staged(
        a_resource().targets(
            on_cpu("cpu", "avx_vnni", "avx2"),
            on_gpu("l4", product="NVIDIA-L4", computeCapability="8.9", partition=SLICE),
        )
    )

    assert [str(stage.hardware) for stage in stages[1:-1]] == [
        "CPU with avx2, avx_vnni",
        "NVIDIA-L4 SM 8.9 MIG 3g.40gb",
    ]
