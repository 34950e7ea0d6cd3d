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
from tests.sound import (
    AWARE,
    BY_MAP,
    CLUSTER,
    HEAD,
    LAYOUT,
    MAP,
    OPTIMIZE,
    PACK,
    RTX,
    SOUND,
    SPARSIFY,
    STUDENT,
    shards,
)


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
    "errors without labels": (
        ["evaluation"],
        a_resource().with_(
            datasets=[dataset("val", labels=None)],
            evaluation={"dataset": "val", "metrics": ["MAE"]},
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
    "calibrated on a shard of what it is measured on": (
        ["steps[1].quantize"],
        a_resource()
        .with_(datasets=[dataset("calib", uri="s3://data/val/0.npz"), shards("val")])
        .steps(EXPORT, QUANTIZE)
        .with_(evaluation={"dataset": "val"}),
    ),
    "pruning after zeros were chosen": (["steps[1].prune"], a_resource().steps(SPARSIFY, PRUNE)),
    "zeros after values are shared": (
        ["steps[1].sparsify"],
        a_resource().steps(CLUSTER, SPARSIFY),
    ),
    "folding after values are shared": (["steps[1].fuse"], a_resource().steps(CLUSTER, FUSE)),
    "torch steps after training with rounding": (
        ["steps[1].fuse", "steps[2].cluster"],
        a_resource().steps(AWARE, FUSE, CLUSTER, EXPORT, QUANTIZE),
    ),
    "training with rounding that nobody does": (
        ["steps[0].quantizeAware"],
        a_resource().steps(AWARE),
    ),
    "training with rounding that is found anew at run time": (
        ["steps[0].quantizeAware"],
        a_resource().steps(AWARE, EXPORT, DYNAMIC),
    ),
    "8 bits of 16": (["steps[2].quantize"], a_resource().steps(EXPORT, FP16, QUANTIZE)),
    "training within a step after folding": (
        ["steps[1].sparsify.recovery"],
        a_resource().steps(FUSE, {"sparsify": {"sparsity": 0.5, "recovery": {"dataset": "train"}}}),
    ),
    "training with rounding after values are shared": (
        ["steps[1].quantizeAware"],
        a_resource().steps(CLUSTER, AWARE, EXPORT, QUANTIZE),
    ),
    "early stop without labels": (
        ["steps[0].finetune"],
        a_resource()
        .with_(datasets=[dataset("train"), dataset("dev", labels=None)])
        .steps({"finetune": {"dataset": "train", "earlyStop": {"dataset": "dev"}}}),
    ),
    "pruning by a map that was never made": (["steps[0].prune"], a_resource().steps(BY_MAP)),
    "pruning by a map of the model before": (
        ["steps[2].prune"],
        a_resource().steps(MAP, DISTILL, BY_MAP),
    ),
    "a new head that nobody trains": (["steps[0].replaceHead"], a_resource().steps(HEAD, FUSE)),
    "a student that throws away what was pruned": (
        ["steps[1].distill"],
        a_resource().steps(PRUNE, STUDENT),
    ),
    "an archive of weights that all differ": (
        ["targets[0].steps[0].pack"],
        a_resource().targets(target("rest", "ONNXRuntime", PACK)),
    ),
    "anything after an archive": (
        ["targets[0].steps[2].export"],
        a_resource().targets(target("rest", "ONNXRuntime", QUANTIZE, PACK, EXPORT)),
    ),
    "an engine of an archive": (
        ["targets[0].steps[1].pack"],
        a_resource().targets(target("rtx", RTX, QUANTIZE, PACK)),
    ),
    "an engine of what ONNX Runtime has fused": (
        ["targets[0].steps[0].optimize"],
        a_resource().targets(target("rtx", RTX, OPTIMIZE)),
    ),
    "8 bits after ONNX Runtime has fused": (
        ["targets[0].steps[1].quantize"],
        a_resource().targets(target("cpu", "ONNXRuntime", OPTIMIZE, QUANTIZE)),
    ),
    "a graph laid out for a CPU that nobody names": (
        ["targets[0].steps[0].optimize"],
        a_resource().targets(target("cpu", "ONNXRuntime", LAYOUT)),
    ),
    "two steps of one name": (
        ["steps"],
        a_resource().steps({"name": "a", **PRUNE}, {"name": "a", **DISTILL}),
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
