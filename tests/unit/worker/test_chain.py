"""A plan as a tree: what each step changes, what it is for, and where each target ends."""

import pytest

from lathe_api.plan import plan_of
from lathe_steps.base import Runtime
from lathe_worker.chain import BASELINE, MEASURED, PASSED, Chain, End, Stop, chain_of
from tests.builders import (
    DYNAMIC,
    EXPORT,
    FUSE,
    ONNX_MODEL,
    PACK,
    PRUNE,
    QUANTIZE,
    SIMPLIFY,
    ResourceBuilder,
    a_resource,
    target,
)

ISA = frozenset({"avx2", "avx512_vnni"})
EVALUATION = {"dataset": "val"}
TWO = a_resource().targets(
    target("cpu", "ONNXRuntime", QUANTIZE), target("rtx", "TensorRTRTX", SIMPLIFY)
)


def laid_out(resource: ResourceBuilder) -> Chain:
    return chain_of(plan_of(resource.parsed(), namespace="team", name="digits"), ISA)


TREES: dict[str, tuple[list[tuple[str, str | None]], ResourceBuilder]] = {
    "a torch model alone is exported": ([("export", None)], a_resource()),
    "an ONNX model alone is left as it is": ([], a_resource().with_(model=ONNX_MODEL)),
    "what is measured is compared with the input model, exported": (
        [(BASELINE, None), ("export", None)],
        a_resource().with_(evaluation=EVALUATION),
    ),
    "an ONNX model is compared with as it is": (
        [("quantize", None)],
        a_resource().with_(model=ONNX_MODEL, evaluation=EVALUATION).steps(DYNAMIC),
    ),
    "steps follow each other": (
        [("prune", None), ("fuse", "prune"), ("export", "fuse")],
        a_resource().steps(PRUNE, FUSE),
    ),
    "what was packed in torch is exported to be measured": (
        [
            (BASELINE, None),
            ("prune", None),
            ("small/pack", "prune"),
            (f"small/{MEASURED}", "prune"),
        ],
        a_resource()
        .steps(PRUNE)
        .targets(target("small", "ONNXRuntime", PACK))
        .with_(evaluation={**EVALUATION, "path": "Skip"}),
    ),
    "what was packed as a graph is measured as it is": (
        [("export", None), ("small/quantize", "export"), ("small/pack", "small/quantize")],
        a_resource().targets(target("small", "ONNXRuntime", QUANTIZE, PACK)),
    ),
    "targets branch off, and an engine is built at the end": (
        [
            ("export", None),
            ("cpu/quantize", "export"),
            ("rtx/simplify", "export"),
            ("rtx/buildEngine", "rtx/simplify"),
        ],
        TWO,
    ),
}


@pytest.mark.parametrize(("expected", "resource"), TREES.values(), ids=TREES.keys())
def test_a_plan_is_laid_out(
    expected: list[tuple[str, str | None]], resource: ResourceBuilder
) -> None:
    assert [(step.name, step.after) for step in laid_out(resource).steps] == expected


def test_each_target_ends_with_what_it_publishes_and_what_is_run_for_it() -> None:
    assert laid_out(TWO).ends == (
        End("cpu", graph="cpu/quantize", final="cpu/quantize", executed=True),
        End("rtx", graph="rtx/simplify", final="rtx/buildEngine", executed=False),
    )


PACKED: dict[str, tuple[End, ResourceBuilder]] = {
    "a torch model, by its export": (
        End("small", graph=f"small/{MEASURED}", final="small/pack", executed=True),
        a_resource().steps(PRUNE).targets(target("small", "ONNXRuntime", PACK)),
    ),
    "the input model, by its export": (
        End("small", graph=f"small/{MEASURED}", final="small/pack", executed=True),
        a_resource().targets(target("small", "ONNXRuntime", PACK)),
    ),
    "a graph, by itself": (
        End("small", graph="small/quantize", final="small/pack", executed=True),
        a_resource().targets(target("small", "ONNXRuntime", QUANTIZE, PACK)),
    ),
    "the input graph, by itself": (
        End("small", graph=None, final="small/pack", executed=True),
        a_resource().with_(model=ONNX_MODEL).targets(target("small", "ONNXRuntime", PACK)),
    ),
    "a graph that was packed in the common steps": (
        End("onnx", graph="export", final="pack", executed=True),
        a_resource().steps(EXPORT, PACK),
    ),
}


@pytest.mark.parametrize(("expected", "resource"), PACKED.values(), ids=PACKED)
def test_an_archive_is_published_and_measured_by_what_was_packed(
    expected: End, resource: ResourceBuilder
) -> None:
    assert laid_out(resource).ends == (expected,)


def test_a_target_may_be_the_input_model_itself() -> None:
    assert laid_out(a_resource().with_(model=ONNX_MODEL)).ends == (
        End("onnx", graph=None, final=None, executed=True),
    )


def test_common_steps_are_for_all_runtimes_and_a_targets_own_for_its_own() -> None:
    cpu, rtx = Runtime("ONNXRuntime", ISA), Runtime("TensorRTRTX")

    assert {step.name: step.runtimes for step in laid_out(TWO).steps} == {
        "export": (cpu, rtx),
        "cpu/quantize": (cpu,),
        "rtx/simplify": (rtx,),
        "rtx/buildEngine": (rtx,),
    }


def test_a_graph_for_a_cpu_that_the_user_names_is_lowered_to_it_and_not_timed_on_another() -> None:
    resource = a_resource().targets(
        target("old", "ONNXRuntime", QUANTIZE, cpu={"isa": ["amx_int8"]})
    )

    chain = laid_out(resource)

    assert chain.steps[-1].runtimes == (
        Runtime("ONNXRuntime", frozenset({"amx_int8"}), pinned=True),
    )
    assert [end.executed for end in chain.ends] == [False]


def test_a_graph_for_a_cpu_whose_features_this_one_has_is_timed_here() -> None:
    resource = a_resource().targets(target("cpu", "ONNXRuntime", cpu={"isa": sorted(ISA)[:1]}))

    assert [end.executed for end in laid_out(resource).ends] == [True]


PATHS: dict[str, tuple[list[Stop], ResourceBuilder]] = {
    "a torch model is exported to be measured, unless an export follows": (
        [
            Stop("prune", f"prune/{PASSED}", clocked=True),
            Stop("fuse", "export", clocked=True),
            Stop("export", "export", clocked=True),
        ],
        a_resource().steps(PRUNE, FUSE).with_(evaluation=EVALUATION),
    ),
    "what does not run here is not timed, and an engine is only weighed": (
        [
            Stop("export", "export", clocked=True),
            Stop("cpu/quantize", "cpu/quantize", clocked=True, target="cpu"),
            Stop("rtx/simplify", "rtx/simplify", clocked=False, target="rtx"),
            Stop("rtx/buildEngine", None, clocked=False, target="rtx"),
        ],
        TWO.with_(evaluation=EVALUATION),
    ),
    "nothing is measured without an evaluation": ([], TWO),
    "nothing is measured on a path to be skipped": (
        [],
        TWO.with_(evaluation={**EVALUATION, "path": "Skip"}),
    ),
}


@pytest.mark.parametrize(("expected", "resource"), PATHS.values(), ids=PATHS)
def test_the_way_is_measured_where_it_can_be(
    expected: list[Stop], resource: ResourceBuilder
) -> None:
    assert expected == list(laid_out(resource).path)


def test_what_is_only_measured_is_made_right_after_its_step() -> None:
    steps = laid_out(a_resource().steps(PRUNE, FUSE).with_(evaluation=EVALUATION)).steps

    assert [(step.name, step.aside) for step in steps] == [
        (BASELINE, False),
        ("prune", False),
        (f"prune/{PASSED}", True),
        ("fuse", False),
        ("export", False),
    ]


WAYS: dict[str, tuple[list[str | None], str, ResourceBuilder]] = {
    "a target goes back over its own steps and the common ones": (
        [f"prune/{PASSED}", "export"],
        "cpu",
        TWO.steps(PRUNE, FUSE),
    ),
    "an engine is no graph, and has no way back": ([], "rtx", TWO),
    "what was made in one step has none": ([], "onnx", a_resource()),
}


@pytest.mark.parametrize(("expected", "target", "resource"), WAYS.values(), ids=WAYS)
def test_one_goes_back_to_earlier_graphs(
    expected: list[str | None], target: str, resource: ResourceBuilder
) -> None:
    chain = laid_out(resource.with_(evaluation={**EVALUATION, "onFailure": "Rollback"}))
    (end,) = (end for end in chain.ends if end.target == target)

    assert expected == [stop.graph for stop in chain.way_back(end)]
