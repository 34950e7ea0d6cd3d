"""Resources that can work, each for another reason; the flow and the API server take them all."""

from tests.builders import (
    DISTILL,
    EXPORT,
    FINETUNE,
    FP16,
    FUSE,
    ONNX_MODEL,
    PRUNE,
    QUANTIZE,
    SIMPLIFY,
    Document,
    a_resource,
    dataset,
    target,
)

RTX = "TensorRTRTX"
SPARSIFY: Document = {"sparsify": {"sparsity": 0.9}}
CLUSTER: Document = {"cluster": {"clusters": 16}}
PACK: Document = {"pack": {}}
OPTIMIZE: Document = {"optimize": {}}
LAYOUT: Document = {"optimize": {"level": "All"}}
HEAD: Document = {"replaceHead": {}}
AWARE: Document = {"quantizeAware": {"dataset": "train"}}
MAP: Document = {"sensitivity": {"dataset": "calib"}}
BY_MAP: Document = {"prune": {"target": {"params": 0.5}, "scope": "Sensitivity"}}
STUDENT: Document = {
    "distill": {"dataset": "train", "student": {"architecture": {"ref": "lathe.small_cnn"}}}
}


def shards(name: str) -> Document:
    """A data set of many objects at s3://data/<name>/."""
    return dataset(name, uri=f"s3://data/{name}/", format="WebDataset")


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
    "a deep compression: zeros, shared values, an archive": a_resource()
    .steps(SPARSIFY, FUSE, CLUSTER)
    .targets(target("rest", "ONNXRuntime", PACK), target("cpu", "ONNXRuntime", QUANTIZE)),
    "an archive of 8 bits": a_resource().targets(target("rest", "ONNXRuntime", QUANTIZE, PACK)),
    "an archive of anything, by another codec": a_resource().targets(
        target("rest", "ONNXRuntime", {"pack": {"codec": "Zstd"}})
    ),
    "a map, and pruning by it": a_resource().steps(MAP, BY_MAP, DISTILL),
    "a map of a graph, for the quantisation after it": a_resource().steps(EXPORT, MAP, QUANTIZE),
    "a new head that is trained": a_resource().steps(HEAD, FINETUNE),
    "a student, made smaller in turn": a_resource().steps(STUDENT, PRUNE, FINETUNE, FUSE),
    "training with rounding, last in torch": a_resource().steps(PRUNE, AWARE, EXPORT, QUANTIZE),
    "a graph laid out for the CPU that the target names": a_resource().targets(
        target("cpu", "ONNXRuntime", QUANTIZE, LAYOUT, cpu={"isa": ["avx2"]})
    ),
}
