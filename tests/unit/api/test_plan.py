"""From a spec to the work that it asks for."""

import pytest

from lathe_api.plan import Plan, plan_of
from tests.builders import (
    DISTILL,
    EXPORT,
    FP16,
    FUSE,
    ONNX_MODEL,
    PRUNE,
    QUANTIZE,
    SIMPLIFY,
    ResourceBuilder,
    a_resource,
    target,
)

RTX = "TensorRTRTX"


def planned(resource: ResourceBuilder) -> Plan:
    return plan_of(resource.parsed(), namespace="team", name=resource.name)


def chains(plan: Plan) -> dict[str, list[str]]:
    """The kinds of the common steps, under '', and of each target's."""
    common = {"": [entry.kind for entry in plan.steps]}
    return common | {t.name: [entry.kind for entry in t.steps] for t in plan.targets}


EXPORTS = {
    "none for a model that is ONNX": (
        {"": [], "onnx": []},
        a_resource().with_(model=ONNX_MODEL),
    ),
    "a shared one where no target goes on in torch": (
        {"": ["prune", "export"], "cpu": ["quantize"], "rtx": ["convertPrecision"]},
        a_resource()
        .steps(PRUNE)
        .targets(target("cpu", "ONNXRuntime", QUANTIZE), target("rtx", RTX, FP16)),
    ),
    "one in each target where one of them goes on in torch": (
        {"": ["prune"], "cpu": ["fuse", "export", "quantize"], "rtx": ["export"]},
        a_resource()
        .steps(PRUNE)
        .targets(target("cpu", "ONNXRuntime", FUSE, QUANTIZE), target("rtx", RTX)),
    ),
    "none where the user wrote it": (
        {"": ["prune", "export", "simplify"], "onnx": []},
        a_resource().steps(PRUNE, EXPORT, SIMPLIFY),
    ),
    "none where the target's own steps have it": (
        {"": ["prune"], "cpu": ["fuse", "export"]},
        a_resource().steps(PRUNE).targets(target("cpu", "ONNXRuntime", FUSE, EXPORT)),
    ),
}


@pytest.mark.parametrize(("expected", "resource"), EXPORTS.values(), ids=EXPORTS)
def test_an_export_is_added_only_where_torch_meets_onnx(
    expected: dict[str, list[str]], resource: ResourceBuilder
) -> None:
    assert expected == chains(planned(resource))


NAMES = {
    "its own name": (["halve"], [{"name": "halve", **PRUNE}]),
    "the kind of step": (["prune", "distill"], [PRUNE, DISTILL]),
    "the kind, numbered when it comes again": (
        ["prune", "distill", "prune-2", "distill-2"],
        [PRUNE, DISTILL, PRUNE, DISTILL],
    ),
    "a number that no one took": (
        ["prune-2", "prune", "prune-3"],
        [{"name": "prune-2", **PRUNE}, PRUNE, PRUNE],
    ),
}


@pytest.mark.parametrize(("expected", "steps"), NAMES.values(), ids=NAMES)
def test_every_step_has_a_name(expected: list[str], steps: list[dict[str, object]]) -> None:
    plan = planned(a_resource().steps(*steps))

    assert expected == [entry.name for entry in plan.steps if entry.kind != "export"]


def test_engines_are_built_for_runtimes_that_load_engines() -> None:
    plan = planned(a_resource().targets(target("cpu"), target("rtx", RTX)))

    assert [each.engine is not None for each in plan.targets] == [False, True]


def test_the_plan_survives_its_way_to_the_pod() -> None:
    plan = planned(
        a_resource().steps(PRUNE, DISTILL).targets(target("cpu", "ONNXRuntime", QUANTIZE))
    )

    assert plan == Plan.model_validate_json(plan.dumped())


SAME_WORK = {
    "how long it may run": {"run": {"activeDeadlineSeconds": 60}},
    "whether it is suspended": {"run": {"suspend": True}},
    "the pod's resources": {"worker": {"resources": {"limits": {"memory": "8Gi"}}}},
    "its queue": {"scheduling": {"queueName": "team-a"}},
}


@pytest.mark.parametrize("change", SAME_WORK.values(), ids=SAME_WORK)
def test_what_does_not_change_the_work_keeps_its_digest(change: dict[str, object]) -> None:
    assert planned(a_resource()).digest() == planned(a_resource().with_(**change)).digest()


OTHER_WORK = {
    "another step": {"steps": [PRUNE]},
    "another model": {"model": ONNX_MODEL},
    "another output": {"output": {"uri": "s3://artifacts/other/"}},
    "another evaluation": {"evaluation": {"dataset": "val"}},
}


@pytest.mark.parametrize("change", OTHER_WORK.values(), ids=OTHER_WORK)
def test_what_changes_the_work_changes_its_digest(change: dict[str, object]) -> None:
    assert planned(a_resource()).digest() != planned(a_resource().with_(**change)).digest()
