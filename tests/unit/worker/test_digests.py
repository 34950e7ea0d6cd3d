"""Keys: equal work has an equal name, and whatever can change a result changes its name."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from lathe_api.plan import plan_of
from lathe_api.v1alpha1.datasets import DatasetRef
from lathe_worker.chain import PlannedStep, chain_of
from lathe_worker.digests import Given, described, model_digest, of_files, run_key, step_key
from tests.builders import DISTILL, PRUNE, QUANTIZE, ResourceBuilder, a_resource, target

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64
GIVEN = Given(model=A, datasets={"train": {"digest": A}, "calib": {"digest": A}}, seed=0)
VNNI, OLD = frozenset({"avx512_vnni"}), frozenset({"avx2"})
WORK = a_resource().steps(PRUNE, DISTILL).targets(target("cpu", "ONNXRuntime", QUANTIZE))


def steps_of(
    resource: ResourceBuilder = WORK, isa: frozenset[str] = VNNI
) -> dict[str, PlannedStep]:
    plan = plan_of(resource.parsed(), namespace="team", name="digits")
    return {step.name: step for step in chain_of(plan, isa).steps}


def key_of(
    name: str = "distill",
    *,
    steps: dict[str, PlannedStep] | None = None,
    artifact: str = A,
    given: Given = GIVEN,
) -> str:
    return step_key((steps or steps_of())[name], artifact=artifact, given=given)


OTHER_STEPS: dict[str, Callable[[], str]] = {
    "what it changes": lambda: key_of(artifact=B),
    "the model that teaches": lambda: key_of(given=replace(GIVEN, model=B)),
    "its samples": lambda: key_of(
        given=replace(GIVEN, datasets={**GIVEN.datasets, "train": {"digest": B}})
    ),
    "the seed": lambda: key_of(given=replace(GIVEN, seed=1)),
    "a parameter": lambda: key_of(
        steps=steps_of(a_resource().steps({"distill": {"dataset": "train", "epochs": 2}}))
    ),
    "the kind of step": lambda: key_of("prune"),
}


@pytest.mark.parametrize("other", OTHER_STEPS.values(), ids=OTHER_STEPS.keys())
def test_a_step_has_another_key_for_another(other: Callable[[], str]) -> None:
    assert key_of() != other()


SAME_STEPS: dict[str, Callable[[], str]] = {
    "a parameter that is the default": lambda: key_of(
        steps=steps_of(a_resource().steps({"distill": {"dataset": "train", "epochs": 1}}))
    ),
    "samples that it does not use": lambda: key_of(
        given=replace(GIVEN, datasets={**GIVEN.datasets, "calib": {"digest": B}})
    ),
    "a CPU that it does not depend on": lambda: key_of(steps=steps_of(isa=OLD)),
    "its name": lambda: key_of(
        "recover", steps=steps_of(a_resource().steps({"name": "recover", **DISTILL}))
    ),
}


@pytest.mark.parametrize("other", SAME_STEPS.values(), ids=SAME_STEPS.keys())
def test_a_step_has_the_same_key_whatever(other: Callable[[], str]) -> None:
    assert key_of() == other()


def test_a_step_that_is_lowered_to_the_cpu_has_another_key_on_another_cpu() -> None:
    assert key_of("cpu/quantize") != key_of("cpu/quantize", steps=steps_of(isa=OLD))


L4 = {"gpu_product": "NVIDIA-L4", "compute_capability": "8.9", "driver_version": "570.86"}
ENGINES = a_resource().targets(target("trt", "TensorRT"), target("rtx", "TensorRTRTX"))


def engine_key(name: str, gpu: dict[str, str] | None) -> str:
    return step_key(steps_of(ENGINES)[name], artifact=A, given=GIVEN, gpu=gpu)


def test_an_engine_that_is_built_on_its_gpu_has_another_key_with_another_driver() -> None:
    newer = {**L4, "driver_version": "580.12"}

    assert len({engine_key("trt/buildEngine", gpu) for gpu in (None, L4, newer)}) == 3
    assert engine_key("rtx/buildEngine", L4) == engine_key("rtx/buildEngine", newer)


def run_key_of(resource: ResourceBuilder, given: Given = GIVEN) -> str:
    plan = plan_of(resource.parsed(), namespace="team", name=resource.name)
    return run_key(plan, given=given, chain=chain_of(plan, VNNI))


SAME_RUNS: dict[str, ResourceBuilder] = {
    "of another resource": WORK.named("other"),
    "with other credentials": WORK.with_(
        storage={"s3": {"credentials": {"secretRef": {"name": "other"}}}}
    ),
    "to another place": WORK.with_(output={"uri": "s3://elsewhere/"}),
    "without a cache": WORK.with_(run={"cache": "Off"}),
}


@pytest.mark.parametrize("resource", SAME_RUNS.values(), ids=SAME_RUNS.keys())
def test_the_same_work_has_the_same_run_key(resource: ResourceBuilder) -> None:
    assert run_key_of(WORK) == run_key_of(resource)


OTHER_RUNS: dict[str, ResourceBuilder] = {
    "another step": WORK.steps(PRUNE),
    "another target": WORK.targets(target("cpu")),
    "an evaluation": WORK.with_(evaluation={"dataset": "val"}),
}


@pytest.mark.parametrize("resource", OTHER_RUNS.values(), ids=OTHER_RUNS.keys())
def test_other_work_has_another_run_key(resource: ResourceBuilder) -> None:
    assert run_key_of(WORK) != run_key_of(resource)


def test_a_model_is_its_bytes_and_what_they_are_said_to_be() -> None:
    def digest(source: str, **changes: Any) -> str:
        model = {**WORK.spec["model"], **changes}
        return model_digest(a_resource().with_(model=model).parsed().model, source)

    assert digest(A) == digest(A, uri="s3://elsewhere/", digest=B)
    assert len({digest(A), digest(B), digest(A, architecture={"ref": "lathe.mlp"})}) == 3


def test_samples_are_the_bytes_and_how_they_are_read() -> None:
    def samples(digest: str, **changes: Any) -> dict[str, Any]:
        ref = {"name": "train", "uri": "s3://data/train.npz", "format": "NPZ", **changes}
        return described(DatasetRef.model_validate(ref), digest)

    assert samples(A) == samples(A, uri="s3://else/where.npz", name="other")
    assert samples(A) != samples(B)
    assert samples(A) != samples(A, labels="y")


def test_a_folder_is_named_by_what_is_in_it_not_by_the_order() -> None:
    assert of_files({"a": A, "b": B}) == of_files({"b": B, "a": A})
    assert of_files({"a": A, "b": B}) != of_files({"a": B, "b": A})
