"""What users ask for: the spec of a ModelOptimization."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from lathe_api.v1alpha1.datasets import DatasetRef
from lathe_api.v1alpha1.evaluation import Evaluation
from lathe_api.v1alpha1.running import RunPolicy, Scheduling, Worker
from lathe_api.v1alpha1.steps import StepEntry
from lathe_api.v1alpha1.storage import S3URI, ObjectName, Storage
from lathe_steps.architecture import Architecture
from lathe_steps.base import Parameters, Rule
from lathe_steps.build_engine import BuildEngine, ComputeCapability
from lathe_steps.words import Feature, Name, TensorName

Digest = Annotated[str, Field(max_length=71, pattern=r"^sha256:[0-9a-f]{64}$")]
Axis = (
    Annotated[int, Field(ge=1, le=2**31 - 1)]
    | Annotated[str, Field(max_length=63, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
)


class Input(Parameters):
    """One input of the model."""

    name: TensorName
    """As the model calls it."""
    dtype: Literal["float16", "float32", "float64", "int8", "uint8", "int32", "int64", "bool"] = (
        "float32"
    )
    """Type of its elements."""
    shape: Annotated[tuple[Axis, ...], Field(min_length=1, max_length=8)]
    """A size per axis; a word instead of a number is a dynamic axis, and names it."""


class Model(Parameters):
    """The model to optimize."""

    rules: ClassVar = (
        Rule(
            "self.format == 'ONNX' || (has(self.architecture) && has(self.inputs))",
            "formats Safetensors and StateDict need architecture and inputs",
            lambda it: it.format == "ONNX" or bool(it.architecture and it.inputs),
        ),
        Rule(
            "self.format != 'ONNX' || !has(self.architecture)",
            "format ONNX takes no architecture",
            lambda it: it.format != "ONNX" or it.architecture is None,
        ),
    )

    uri: S3URI
    """An object, or a prefix that ends in '/'."""
    format: Literal["ONNX", "Safetensors", "StateDict"]
    """How the weights are stored. StateDict is a torch file, read with weights_only in a child
    process; the administrator has to allow it."""
    architecture: Architecture | None = None
    """The code that the weights belong to; for Safetensors and StateDict."""
    inputs: Annotated[tuple[Input, ...], Field(min_length=1, max_length=16)] | None = None
    """What the model takes; for ONNX it is read from the file."""
    digest: Digest | None = None
    """Refuse to start from other bytes than these. The digest is in every manifest."""


class Partition(Parameters):
    """A slice of a GPU."""

    mode: Literal["MIG"] = "MIG"
    """How the GPU is partitioned: MIG, in NVIDIA's words a multi-instance GPU."""
    profile: Annotated[str, Field(max_length=16, pattern=r"^[1-7]g\.[0-9]{1,3}gb(\.me)?$")]
    """The slice, such as 3g.40gb: its pod asks for one nvidia.com/mig-3g.40gb, as the device plugin
    calls it with the strategy mixed. With the strategy single, the product alone names slices."""


class GPU(Parameters):
    """The GPU that a target is built on."""

    rules: ClassVar = (
        Rule(
            "has(self.product) || has(self.computeCapability)",
            "say which GPU by product or computeCapability",
            lambda it: it.product is not None or it.compute_capability is not None,
        ),
    )

    product: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """Value of the node label nvidia.com/gpu.product, which for slices of the MIG strategy single
    ends in -MIG- and their profile."""
    compute_capability: ComputeCapability | None = None
    """Such as 8.9: the node labels nvidia.com/gpu.compute.major and .minor. Any GPU that has it
    will do, unless product says which."""
    partition: Partition | None = None
    """The slice of it that the work gets; without it, a whole GPU."""

    def __str__(self) -> str:
        """As people call it."""
        capability = self.compute_capability and f"SM {self.compute_capability}"
        part = self.partition and f"MIG {self.partition.profile}"
        return " ".join(word for word in (self.product, capability, part) if word)


class CPU(Parameters):
    """The CPU that a target runs on."""

    isa: Annotated[tuple[Feature, ...], Field(min_length=1, max_length=16)]
    """Features that it has, as /proc/cpuinfo spells them. Graphs are lowered to them, and the work
    is done on a node with the labels feature.node.kubernetes.io/cpu-cpuid.* of all of them."""


class Target(Parameters):
    """One set of artifacts: what a runtime loads, on the hardware that it is for."""

    rules: ClassVar = (
        Rule(
            "self.runtime != 'ONNXRuntime' || !has(self.tensorrt)",
            "tensorrt is for the runtimes TensorRT and TensorRTRTX",
            lambda it: it.runtime != "ONNXRuntime" or it.tensorrt is None,
        ),
        Rule(
            "self.runtime == 'TensorRT' || !has(self.gpu)",
            "gpu is for the runtime TensorRT, whose engines are built on the GPU they are for",
            lambda it: it.runtime == "TensorRT" or it.gpu is None,
        ),
        Rule(
            "self.runtime == 'TensorRTRTX' || !has(self.tensorrt) || "
            "!has(self.tensorrt.computeCapabilities) || "
            "size(self.tensorrt.computeCapabilities) == 0",
            "computeCapabilities is for the runtime TensorRTRTX",
            lambda it: (
                it.runtime == "TensorRTRTX"
                or it.tensorrt is None
                or not it.tensorrt.compute_capabilities
            ),
        ),
        Rule(
            "self.runtime == 'ONNXRuntime' || !has(self.cpu)",
            "cpu is for the runtime ONNXRuntime",
            lambda it: it.runtime == "ONNXRuntime" or it.cpu is None,
        ),
    )

    name: Name
    """Folder of its artifacts, and how gates refer to it."""
    runtime: Literal["ONNXRuntime", "TensorRT", "TensorRTRTX"]
    """What loads the result. TensorRTRTX engines are built ahead of time, on any node; TensorRT
    engines on the GPU that they are for."""
    gpu: GPU | None = None
    """Where a TensorRT engine is built."""
    cpu: CPU | None = None
    """What ONNX Runtime runs it on; without it, a CPU like the worker's."""
    steps: Annotated[tuple[StepEntry, ...], Field(max_length=16)] = ()
    """Steps that only this target needs, after the common ones."""
    tensorrt: BuildEngine | None = None
    """How the engine is built."""


class Publish(Parameters):
    """What is written for consumers that follow the newest result."""

    pointer: Annotated[str, Field(max_length=63, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\.json$")]
    """Name of an object under the output's uri that points to the newest manifest. It is written
    last, and only when every gate passed."""


class Form(Parameters):
    """How results are laid out; a profile may say so for many resources."""

    layout: Literal["Plain"] = "Plain"
    """Plain: one folder per target."""
    publish: Publish | None = None
    """What else is written once every gate passed."""


class Output(Form):
    """Where results go."""

    rules: ClassVar = (
        Rule(
            "self.uri.endsWith('/')",
            "output.uri must end in '/'",
            lambda it: it.uri.endswith("/"),
        ),
        Rule(
            "self.uri == oldSelf.uri",
            "output.uri cannot change: create another resource to write elsewhere",
        ),
    )

    uri: S3URI
    """A prefix; objects go to <uri><run key>/, and a run never overwrites another's."""
    deletion_policy: Literal["Retain", "Delete"] = "Retain"
    """What happens to results when the resource is deleted. Delete: a Job removes what its last
    runs have published under uri, the steps that were made for that included, for at most ten
    minutes; results that other resources were answered with go too. Until then a finalizer, the
    only one, keeps the resource. `lathe run` ignores it."""


class ProfileRef(Parameters):
    """The profile that a resource uses."""

    kind: Literal["OptimizationProfile", "ClusterOptimizationProfile"]
    """OptimizationProfile: one in the namespace of the resource; ClusterOptimizationProfile: one
    that all namespaces share."""
    name: ObjectName
    """Its name."""


class ModelOptimizationSpec(Parameters):
    """A model, the steps that make it smaller or faster, its targets, gates and output."""

    rules: ClassVar = (
        Rule(
            "!has(oldSelf.run) || !has(oldSelf.run.cancel) || !oldSelf.run.cancel || "
            "(has(self.run) && has(self.run.cancel) && self.run.cancel)",
            "cancel cannot be taken back: edit the spec or create another resource to run again",
        ),
    )

    profile_ref: ProfileRef | None = None
    """Take from a profile what this resource does not say: steps and targets where it has none, and
    each field of evaluation, storage.s3, run, scheduling, worker and output that it does not set. A
    run keeps what it took; a request to restart, or an edit that asks for other work, takes the
    profile as it is then."""
    model: Model
    """The model to optimize."""
    datasets: Annotated[
        tuple[DatasetRef, ...],
        Field(max_length=16, json_schema_extra={"x-kubernetes-list-map-keys": ["name"]}),
    ] = ()
    """Data sets that steps and evaluation refer to by name."""
    storage: Storage = Storage()
    """How s3:// is reached, for model, data sets and output alike."""
    steps: Annotated[tuple[StepEntry, ...], Field(max_length=32)] = ()
    """What is done to the model, in this order, for all targets."""
    targets: Annotated[
        tuple[Target, ...],
        Field(max_length=16, json_schema_extra={"x-kubernetes-list-map-keys": ["name"]}),
    ] = ()
    """What the result is for. Without any: one target named onnx that runs on ONNX Runtime."""
    evaluation: Evaluation | None = None
    """How the result is measured against the input model, and which gates it has to pass."""
    output: Output
    """Where results go."""
    run: RunPolicy = RunPolicy()
    """How long, how often and whether at all."""
    scheduling: Scheduling = Scheduling()
    """Queue and priority."""
    worker: Worker = Worker()
    """The pod that does the work; ignored by `lathe run`."""

    @model_validator(mode="after")
    def _names_are_unique(self) -> "ModelOptimizationSpec":
        for field, items in (("datasets", self.datasets), ("targets", self.targets)):
            names = [item.name for item in items]
            if repeated := sorted({name for name in names if names.count(name) > 1}):
                raise ValueError(f"{field}: the name {repeated[0]} is used twice")
        return self
