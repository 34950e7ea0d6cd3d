"""Which chains are refused before anything runs, and where they say the fault is."""

import pytest

from lathe_api.flow import findings
from tests.builders import (
    DISTILL,
    DYNAMIC,
    EXPORT,
    FINETUNE,
    FP16,
    FUSE,
    ONNX_MODEL,
    PRUNE,
    QUANTIZE,
    SIMPLIFY,
    ResourceBuilder,
    a_resource,
    dataset,
    target,
)

RTX = "TensorRTRTX"

SOUND = {
    "nothing but the model": a_resource(),
    "the whole chain in its order": a_resource().steps(
        PRUNE, DISTILL, FINETUNE, FUSE, EXPORT, SIMPLIFY, QUANTIZE
    ),
    "a torch chain, exported because the target reads ONNX": a_resource().steps(PRUNE, DISTILL),
    "targets that go on from torch, each its own way": a_resource()
    .steps(PRUNE)
    .targets(target("cpu", "ONNXRuntime", FUSE, QUANTIZE), target("rtx", RTX, FP16)),
    "a quantize in the common steps, for targets that take the same form": a_resource()
    .steps(EXPORT, QUANTIZE)
    .targets(target("a"), target("b")),
    "an ONNX model, quantised": a_resource().with_(model=ONNX_MODEL).steps(QUANTIZE),
    "a map of layers before and after the export": a_resource()
    .with_(datasets=[dataset("train"), dataset("calib")])
    .steps(
        {"sensitivity": {"dataset": "train"}},
        {"prune": {"target": {"params": 0.5}, "scope": "Sensitivity"}},
        EXPORT,
        {"sensitivity": {"dataset": "train"}},
        QUANTIZE,
    ),
    "arguments of a student's architecture, and an evaluation": a_resource()
    .with_(
        datasets=[dataset("train"), dataset("val")],
        evaluation={"dataset": "val", "metrics": ["Top1"]},
    )
    .steps(
        {
            "distill": {
                "dataset": "train",
                "student": {"architecture": {"ref": "lathe.mlp", "args": {"hidden": [8]}}},
            }
        }
    ),
    "distillation without labels": a_resource()
    .with_(datasets=[dataset("train", labels=None)])
    .steps({"distill": {"dataset": "train", "alpha": 1.0}}),
    "gates for a target that exists": a_resource()
    .targets(target("cpu"))
    .with_(
        evaluation={
            "dataset": "val",
            "gates": [{"metric": "Top1", "target": "cpu", "maxDrop": 0.01}],
        }
    ),
}


@pytest.mark.parametrize("resource", SOUND.values(), ids=SOUND)
def test_a_chain_that_can_work_has_no_findings(resource: ResourceBuilder) -> None:
    assert findings(resource.parsed()) == ()


BROKEN = {
    "an ONNX step after a torch step in the common steps": (
        ["steps[1].quantize"],
        a_resource().steps(PRUNE, QUANTIZE),
    ),
    "a torch step after the export": (["steps[1].prune"], a_resource().steps(EXPORT, PRUNE)),
    "training after the export": (["steps[1].finetune"], a_resource().steps(EXPORT, FINETUNE)),
    "a torch step on an ONNX model": (
        ["steps[0].prune"],
        a_resource().with_(model=ONNX_MODEL).steps(PRUNE),
    ),
    "a torch step in a target after its export": (
        ["targets[0].steps[1].prune"],
        a_resource().targets(target("cpu", "ONNXRuntime", SIMPLIFY, PRUNE)),
    ),
    "a second export": (["steps[1].export"], a_resource().steps(EXPORT, EXPORT)),
    "quantised twice": (
        ["steps[2].quantize"],
        a_resource().steps(EXPORT, QUANTIZE, DYNAMIC),
    ),
    "quantised in the common steps and again in a target": (
        ["targets[0].steps[0].quantize"],
        a_resource()
        .steps(EXPORT, QUANTIZE)
        .targets(target("cpu", "ONNXRuntime", QUANTIZE), target("other")),
    ),
    "16 bits after 8": (
        ["steps[2].convertPrecision"],
        a_resource().steps(EXPORT, QUANTIZE, FP16),
    ),
    "training after folding": (["steps[1].distill"], a_resource().steps(FUSE, DISTILL)),
    "pruning after folding": (["steps[1].prune"], a_resource().steps(FUSE, PRUNE)),
    "a common quantize for runtimes that differ": (
        ["steps[1].quantize"],
        a_resource().steps(EXPORT, QUANTIZE).targets(target("cpu"), target("rtx", RTX)),
    ),
    "data sets that no one declares, by step and by evaluation": (
        ["steps[0].distill", "evaluation"],
        a_resource()
        .with_(datasets=None, evaluation={"dataset": "val"})
        .steps({"distill": {"dataset": "trian"}}),
    ),
    "Top1 without labels": (
        ["evaluation"],
        a_resource().with_(
            datasets=[dataset("val", labels=None)],
            evaluation={"dataset": "val", "metrics": ["Top1"]},
        ),
    ),
    "a gate on Top1 without labels": (
        ["evaluation"],
        a_resource().with_(
            datasets=[dataset("val", labels=None)],
            evaluation={"dataset": "val", "gates": [{"metric": "Top1", "maxDrop": 0.1}]},
        ),
    ),
    "cross entropy without labels": (
        ["steps[0].finetune"],
        a_resource().with_(datasets=[dataset("train", labels=None)]).steps(FINETUNE),
    ),
    "calibrated on what it is measured on": (
        ["steps[1].quantize"],
        a_resource()
        .with_(datasets=[dataset("calib", uri="s3://data/val.npz"), dataset("val")])
        .steps(EXPORT, QUANTIZE)
        .with_(evaluation={"dataset": "val"}),
    ),
    "a gate about a target that is not there": (
        ["evaluation.gates[0].target"],
        a_resource().with_(
            evaluation={
                "dataset": "val",
                "gates": [{"metric": "SizeBytes", "target": "tpu", "maxRatio": 0.5}],
            }
        ),
    ),
    "two steps of one name": (
        ["steps"],
        a_resource().steps({"name": "a", **PRUNE}, {"name": "a", **DISTILL}),
    ),
    "two GPUs in one resource": (
        ["targets"],
        a_resource().targets(
            target("l4", "TensorRT", gpu={"product": "NVIDIA-L4"}),
            target("t4", "TensorRT", gpu={"product": "Tesla-T4"}),
        ),
    ),
}


@pytest.mark.parametrize(("paths", "resource"), BROKEN.values(), ids=BROKEN)
def test_a_chain_that_cannot_work_names_the_place(
    paths: list[str], resource: ResourceBuilder
) -> None:
    assert paths == [finding.path for finding in findings(resource.parsed())]


def test_a_finding_reads_as_one_line_that_says_what_to_do() -> None:
    (finding,) = findings(a_resource().steps(PRUNE, QUANTIZE).parsed())

    assert str(finding) == (
        "spec.steps[1].quantize: reads ONNX but steps[0].prune gives Torch: "
        "put an export step between them"
    )
