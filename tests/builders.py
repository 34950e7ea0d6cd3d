"""Builders: a valid resource to begin with, and one word for each thing that a test changes."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from typing import Any

from lathe_api.v1alpha1.spec import ModelOptimizationSpec

Document = dict[str, Any]

TORCH_MODEL: Document = {
    "uri": "s3://models/digits/",
    "format": "Safetensors",
    "architecture": {"ref": "lathe.small_cnn", "args": {"num_classes": 10}},
    "inputs": [{"name": "x", "dtype": "float32", "shape": ["batch", 1, 8, 8]}],
}
ONNX_MODEL: Document = {"uri": "s3://models/digits/model.onnx", "format": "ONNX"}


def dataset(name: str, **changes: Any) -> Document:
    """A labelled NPZ data set at s3://data/<name>.npz."""
    return {
        "name": name,
        "uri": f"s3://data/{name}.npz",
        "format": "NPZ",
        "inputs": {"x": "images"},
        "labels": "labels",
        **changes,
    }


PRUNE: Document = {"prune": {"target": {"params": 0.5}}}
DISTILL: Document = {"distill": {"dataset": "train"}}
FINETUNE: Document = {"finetune": {"dataset": "train"}}
FUSE: Document = {"fuse": {}}
EXPORT: Document = {"export": {}}
SIMPLIFY: Document = {"simplify": {}}
QUANTIZE: Document = {"quantize": {"mode": "Static", "calibration": {"dataset": "calib"}}}
DYNAMIC: Document = {"quantize": {"mode": "Dynamic"}}
FP16: Document = {"convertPrecision": {}}
PACK: Document = {"pack": {}}


def target(name: str, runtime: str = "ONNXRuntime", *steps: Document, **rest: Any) -> Document:
    """A target with its own steps."""
    return {"name": name, "runtime": runtime, "steps": list(steps), **rest}


@dataclass(frozen=True)
class ResourceBuilder:
    """A ModelOptimization, as users write it."""

    name: str = "digits"
    spec: Document = field(
        default_factory=lambda: {
            "model": TORCH_MODEL,
            "datasets": [dataset("train"), dataset("calib"), dataset("val")],
            "output": {"uri": "s3://artifacts/digits/"},
        }
    )

    def named(self, name: str) -> ResourceBuilder:
        """With another name."""
        return replace(self, name=name)

    def with_(self, **fields: Any) -> ResourceBuilder:
        """With other top-level fields of the spec; None leaves one out."""
        spec = {**copy.deepcopy(self.spec), **fields}
        return replace(self, spec={k: v for k, v in spec.items() if v is not None})

    def steps(self, *steps: Document) -> ResourceBuilder:
        """With these common steps."""
        return self.with_(steps=list(steps))

    def targets(self, *targets: Document) -> ResourceBuilder:
        """With these targets."""
        return self.with_(targets=list(targets))

    def document(self) -> Document:
        """The whole resource, ready to be applied."""
        return {
            "apiVersion": "lathe.dev/v1alpha1",
            "kind": "ModelOptimization",
            "metadata": {"name": self.name},
            "spec": copy.deepcopy(self.spec),
        }

    def parsed(self) -> ModelOptimizationSpec:
        """The spec as the programs see it."""
        return ModelOptimizationSpec.model_validate(self.spec)


def a_profile(name: str = "small", *, kind: str = "OptimizationProfile", **spec: Any) -> Document:
    """A profile that gives what is named."""
    return {
        "apiVersion": "lathe.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    }


def refers_to(name: str = "small", kind: str = "OptimizationProfile") -> Document:
    """How a resource refers to a profile."""
    return {"kind": kind, "name": name}


def a_resource() -> ResourceBuilder:
    """A resource that is valid and does nothing but export its model."""
    return ResourceBuilder()
