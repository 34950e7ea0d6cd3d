"""Resources that nobody may run: one table for pydantic, the API server and the operator."""

from tests.builders import (
    FUSE,
    ONNX_MODEL,
    PRUNE,
    TORCH_MODEL,
    ResourceBuilder,
    a_resource,
    dataset,
    target,
)


def _worker(**fields: object) -> ResourceBuilder:
    return a_resource().with_(worker=fields)


def _pruned(**parameters: object) -> ResourceBuilder:
    return a_resource().steps({"prune": {"target": {"params": 0.5}, **parameters}})


def _gate(**gate: object) -> ResourceBuilder:
    return a_resource().with_(evaluation={"dataset": "val", "gates": [gate]})


def _credentials(credentials: dict[str, object]) -> ResourceBuilder:
    return a_resource().with_(storage={"s3": {"credentials": credentials}})


SLICE = {"mode": "MIG", "profile": "1g.5gb"}


def _rtx(**options: object) -> ResourceBuilder:
    return a_resource().targets(target("rtx", "TensorRTRTX", tensorrt=options))


def _data(**fields: object) -> ResourceBuilder:
    return a_resource().with_(datasets=[dataset("val", **fields)])


def _transform(**transform: object) -> ResourceBuilder:
    return _data(transforms={"x": [transform]})


def _shape(*shape: object) -> ResourceBuilder:
    return a_resource().with_(model={**TORCH_MODEL, "inputs": [{"name": "x", "shape": shape}]})


REFUSED: dict[str, ResourceBuilder] = {
    "no model": a_resource().with_(model=None),
    "no output": a_resource().with_(output=None),
    "a reference to a profile without its kind": a_resource().with_(profileRef={"name": "small"}),
    "a reference to a profile elsewhere": a_resource().with_(
        profileRef={"kind": "OptimizationProfile", "name": "small", "namespace": "others"}
    ),
    "a reference to what is no profile": a_resource().with_(
        profileRef={"kind": "ConfigMap", "name": "small"}
    ),
    "a field that does not exist": a_resource().with_(modle={}),
    "a misspelt parameter of a step": a_resource().steps({"prune": {"targe": {"params": 0.5}}}),
    "a step that does not exist": a_resource().steps({"prnue": {}}),
    "a step with no member": a_resource().steps({"name": "empty"}),
    "a step with two members": a_resource().steps({**PRUNE, **FUSE}),
    "a step's name that is no DNS label": a_resource().steps({"name": "Half It", **PRUNE}),
    "pruning to nothing": a_resource().steps({"prune": {"target": {"params": 0}}}),
    "pruning nothing": a_resource().steps({"prune": {"target": {"params": 1}}}),
    "pruning to two targets at once": a_resource().steps(
        {"prune": {"target": {"params": 0.5, "flops": 0.5}}}
    ),
    "sparsity without a share or a pattern": a_resource().steps({"sparsify": {}}),
    "nothing but zeros": a_resource().steps({"sparsify": {"sparsity": 1}}),
    "a group of which more is left than there is": a_resource().steps(
        {"sparsify": {"pattern": {"keep": 4, "of": 4}}}
    ),
    "several passes at once": a_resource().steps(
        {"sparsify": {"sparsity": 0.5, "schedule": "OneShot", "passes": 2}}
    ),
    "one value for all weights": a_resource().steps({"cluster": {"clusters": 1}}),
    "more values than an index of a byte has": a_resource().steps({"cluster": {"clusters": 257}}),
    "a codec that there is not": a_resource().steps({"pack": {"codec": "Brotli"}}),
    "early stop on what is trained on": a_resource().steps(
        {"finetune": {"dataset": "train", "earlyStop": {"dataset": "train"}}}
    ),
    "batches that grow to no more than they begin with": a_resource().steps(
        {"finetune": {"dataset": "train", "batchSize": 128, "batchGrowth": {"max": 128}}}
    ),
    "batches that grow to no more than the default": a_resource().steps(
        {"finetune": {"dataset": "train", "batchGrowth": {"max": 64}}}
    ),
    "importance for the loss without samples": _pruned(importance="Taylor"),
    "blocks without samples": _pruned(granularity="Block"),
    "samples for norms of weights": _pruned(data={"dataset": "train"}),
    "an importance for blocks": _pruned(
        granularity="Block", importance="L1", data={"dataset": "train"}
    ),
    "heads that compete within a layer": _pruned(granularity="Head", scope="Local"),
    "normalisations of heads": _pruned(granularity="Head", importance="BNScale"),
    "a drop of more than everything": _pruned(accuracy={"dataset": "val", "maxDrop": 2}),
    "factorising to two targets at once": a_resource().steps(
        {"factorize": {"target": {"rank": 8, "energy": 0.9}}}
    ),
    "factorising no kind of layer": a_resource().steps(
        {"factorize": {"target": {"rank": 8}, "modules": []}}
    ),
    "a head that there is not": a_resource().steps({"replaceHead": {"with": "MaxPool"}}),
    "a look at values that all fit": a_resource().steps(
        {"export": {}},
        {"convertPrecision": {"dtype": "BF16", "calibration": {"dataset": "calib"}}},
    ),
    "static quantisation without calibration": a_resource().steps(
        {"export": {}}, {"quantize": {"mode": "Static"}}
    ),
    "dynamic quantisation with calibration": a_resource().steps(
        {"export": {}}, {"quantize": {"mode": "Dynamic", "calibration": {"dataset": "calib"}}}
    ),
    "weights alone with calibration": a_resource().steps(
        {"export": {}}, {"quantize": {"mode": "WeightOnly", "calibration": {"dataset": "calib"}}}
    ),
    "few bits of weights that are not alone": a_resource().steps(
        {"export": {}}, {"quantize": {"mode": "Dynamic", "bits": 4}}
    ),
    "a number of bits that no runtime has": a_resource().steps(
        {"export": {}}, {"quantize": {"mode": "WeightOnly", "bits": 3}}
    ),
    "a model that is not in S3": a_resource().with_(model={**ONNX_MODEL, "uri": "file:///etc/x"}),
    "an output that is no prefix": a_resource().with_(output={"uri": "s3://artifacts/digits"}),
    "a torch model without an architecture": a_resource().with_(
        model={k: v for k, v in TORCH_MODEL.items() if k != "architecture"}
    ),
    "a torch model without inputs": a_resource().with_(
        model={k: v for k, v in TORCH_MODEL.items() if k != "inputs"}
    ),
    "an ONNX model with an architecture": a_resource().with_(
        model={**ONNX_MODEL, "architecture": {"ref": "torchvision.resnet18"}}
    ),
    "an architecture that is a path": a_resource().with_(
        model={**TORCH_MODEL, "architecture": {"ref": "../evil.py"}}
    ),
    "an axis of no size": _shape("batch", 0),
    "an axis with a name of punctuation": _shape("0x", 8),
    "no axis at all": _shape(),
    "two data sets of one name": a_resource().with_(
        datasets=[
            {"name": "val", "uri": "s3://data/a.npz", "format": "NPZ"},
            {"name": "val", "uri": "s3://data/b.npz", "format": "NPZ"},
        ]
    ),
    "a format of data that does not exist": _data(format="CSV"),
    "a folder of images in one object": _data(format="ImageFolder"),
    "a transform that does not exist": _transform(flip={}),
    "no transform": _transform(),
    "two transforms at once": _transform(toFloat={}, grayscale={}),
    "a size of nothing": _transform(resize={"size": [0, 8]}),
    "a size of one side": _transform(centerCrop={"size": [8]}),
    "two sizes": _transform(resize={"size": [8, 8], "shorter": 8}),
    "no size": _transform(resize={}),
    "more means than deviations": _transform(normalize={"mean": [0, 0], "std": [1]}),
    "a deviation of nothing": _transform(normalize={"mean": [0], "std": [0]}),
    "an axis twice": _transform(transpose={"order": [0, 0]}),
    "an axis that there is not": _transform(transpose={"order": [0, 2]}),
    "two targets of one name": a_resource().targets(target("a"), target("a")),
    "a runtime that does not exist": a_resource().targets(target("a", "TensorFlow")),
    "engine options without an engine": a_resource().targets(target("a", tensorrt={})),
    "a GPU for an engine that is built anywhere": a_resource().targets(
        target("a", "TensorRTRTX", gpu={"product": "NVIDIA-L4"})
    ),
    "a GPU that nobody can find": a_resource().targets(target("a", "TensorRT", gpu={})),
    "a GPU of half a compute capability": a_resource().targets(
        target("a", "TensorRT", gpu={"computeCapability": "8"})
    ),
    "a slice that no GPU has": a_resource().targets(
        target("a", "TensorRT", gpu={"product": "x", "partition": {**SLICE, "profile": "9g.40gb"}})
    ),
    "a slice by another mode": a_resource().targets(
        target(
            "a",
            "TensorRT",
            gpu={"product": "x", "partition": {"mode": "vGPU", "profile": "1g.5gb"}},
        )
    ),
    "compute capabilities of a builder that asks its GPU": a_resource().targets(
        target("a", "TensorRT", tensorrt={"computeCapabilities": ["8.9"]})
    ),
    "a CPU for an engine": a_resource().targets(target("a", "TensorRTRTX", cpu={"isa": ["avx2"]})),
    "a CPU without any feature": a_resource().targets(target("a", cpu={"isa": []})),
    "a feature that kernels do not know": a_resource().targets(target("a", cpu={"isa": ["mmx"]})),
    "a compute capability in words": _rtx(computeCapabilities=["sm89"]),
    "an optimization level that does not exist": _rtx(optimizationLevel=6),
    "a profile without max": _rtx(profiles=[{"x": {"min": [1], "opt": [1]}}]),
    "a gate without a bound": _gate(metric="Top1"),
    "a gate with two bounds": _gate(metric="LatencyP50", maxRatio=0.5, minSpeedup=2),
    "a drop of a size": _gate(metric="SizeBytes", maxDrop=0.1),
    "a ratio of a quality": _gate(metric="Top1", maxRatio=0.9),
    "a speedup of a size": _gate(metric="SizeBytes", minSpeedup=2),
    "a metric that does not exist": _gate(metric="Top2", maxDrop=0.1),
    "a relative drop of an error": _gate(metric="MAE", maxRelativeDrop=0.1),
    "a drop of an error": _gate(metric="MAE", maxDrop=0.1),
    "a rise of a share": _gate(metric="F1", maxRise=0.1),
    "a speedup of a count": _gate(metric="MACs", minSpeedup=2),
    "a ratio of speeds, of which more is better": _gate(metric="Throughput", maxRatio=2),
    "a least size": _gate(metric="PeakMemory", min=1),
    "a largest quality": _gate(metric="R2", max=0.9),
    "confidence in an absolute bound, which has no interval": _gate(
        metric="Top1", min=0.9, confidence="UpperBound"
    ),
    "timing with no CPU": a_resource().with_(
        evaluation={"dataset": "val", "latency": {"threads": 0}}
    ),
    "timing so few calls that no median is sure": a_resource().with_(
        evaluation={"dataset": "val", "latency": {"minCalls": 5}}
    ),
    "no kind of credentials": _credentials({}),
    "two kinds of credentials": _credentials({"anonymous": {}, "serviceAccount": {}}),
    "a Secret of another namespace": _credentials({"secretRef": {"name": "a", "namespace": "b"}}),
    "an endpoint with a password in it": a_resource().with_(
        storage={"s3": {"endpoint": "https://user:secret@minio.corp"}}
    ),
    "a key for encryption that takes none": a_resource().with_(
        storage={"s3": {"encryption": {"type": "AES256", "keyId": "alias/x"}}}
    ),
    "a deadline of no time": a_resource().with_(run={"activeDeadlineSeconds": 0}),
    "an environment that changes the linker": _worker(env=[{"name": "LD_PRELOAD", "value": "x"}]),
    "an environment that changes Python": _worker(env=[{"name": "PYTHONPATH", "value": "x"}]),
    "an environment with credentials": _worker(env=[{"name": "AWS_PROFILE", "value": "x"}]),
    "a pod template in disguise": _worker(securityContext={"privileged": True}),
    "a label that is none": _worker(labels={"a b": "c"}),
    "a quantity in words": _worker(workspace={"size": "much"}),
    "a name that is too long": a_resource().named("a" * 41),
    "a name that starts with a digit": a_resource().named("9lives"),
    "a name with a dot": a_resource().named("a.b"),
}

ONLY_PYDANTIC = frozenset({"two data sets of one name"})
"""Refused by the operator: the server merges an applied list by name before it can see it."""
