"""What a stage's pod asks for, and on which nodes it runs: by its targets' hardware."""

from collections.abc import Mapping

from lathe_api.stages import PUBLISH, Hardware, Stage
from lathe_api.v1alpha1.running import Amount, Resources
from lathe_operator.decide.admission import GPU_PRODUCT

GPU = "nvidia.com/gpu"
MIG = "nvidia.com/mig-"
"""A slice of a GPU, as the device plugin calls it with the MIG strategy mixed."""
GPU_COMPUTE = "nvidia.com/gpu.compute"
"""Labels of nodes, with .major and .minor; NVIDIA's feature discovery sets them."""
CPU_FEATURE = "feature.node.kubernetes.io/cpu-cpuid"
"""Labels of nodes, with the feature behind them; node feature discovery sets them."""

Amounts = dict[str, str]
Asked = dict[str, Amounts]
"""Amounts under `limits` and `requests`."""

SMALL: Asked = {"limits": {"memory": "1Gi"}, "requests": {"cpu": "100m", "memory": "256Mi"}}
"""What it takes to read what was left, and to publish it: no model is opened."""


def labels(hardware: Hardware) -> dict[str, str]:
    """Labels of the nodes that have the hardware."""
    gpu = hardware.gpu
    found = {GPU_PRODUCT: gpu.product} if gpu and gpu.product else {}
    if gpu and gpu.compute_capability:
        major, _, minor = gpu.compute_capability.partition(".")
        found |= {f"{GPU_COMPUTE}.major": major, f"{GPU_COMPUTE}.minor": minor}
    return {**found, **{_label(feature): "true" for feature in hardware.isa}}


def resources(asked: Resources, stage: Stage) -> Asked:
    """What the user asks for, and one GPU unless the user says how many; none for zero.

    A stage on hardware of its own has the GPU, or the slice of one, that it is for, and none where
    it is for a CPU. To publish takes little.
    """
    if stage.name == PUBLISH:
        return SMALL
    given = {"limits": _spelled(asked.limits), "requests": _spelled(asked.requests)}
    gpus = _gpus({kind: _only(each, gpus=True) for kind, each in given.items()}, stage)
    return {
        kind: amounts
        for kind, each in given.items()
        if (amounts := {**_only(each, gpus=False), **_without_zero(gpus.get(kind, {}))})
    }


def _gpus(asked: Asked, stage: Stage) -> Asked:
    """The GPUs of a stage, when the user asks for these."""
    gpu, one = stage.hardware.gpu, {"limits": {GPU: "1"}}
    if gpu and gpu.partition:
        return {"limits": {f"{MIG}{gpu.partition.profile}": "1"}}
    if stage.is_first:
        return asked if any(asked.values()) else one
    has_some = any(_without_zero(amounts) for amounts in asked.values())
    return {} if gpu is None else asked if has_some else one


def _spelled(amounts: Mapping[str, Amount]) -> Amounts:
    return {key: str(value) for key, value in amounts.items()}


def _only(amounts: Amounts, *, gpus: bool) -> Amounts:
    return {key: amount for key, amount in amounts.items() if _is_gpu(key) is gpus}


def _is_gpu(key: str) -> bool:
    """Whether a resource is a GPU, or a slice of one."""
    return key.endswith("/gpu") or key.startswith((MIG, "nvidia.com/gpu."))


def _without_zero(amounts: Amounts) -> Amounts:
    """Zero GPUs are none: a pod that names them lands on nodes that have some."""
    return {key: amount for key, amount in amounts.items() if amount != "0"}


def _label(feature: str) -> str:
    """The label that node feature discovery gives a node whose CPU has the feature."""
    return f"{CPU_FEATURE}.{feature.replace('_', '').upper()}"
