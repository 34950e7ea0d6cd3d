"""Engines are built on the GPU that they are for, or not at all."""

from typing import Any

import pytest

from lathe_api.plan import PlannedTarget, plan_of
from lathe_steps.errors import InvalidSpec
from lathe_steps.reasons import Reason
from lathe_steps.toolchains.gpu import LIBRARY, this_gpu
from lathe_worker.hardware import require_gpus
from tests.builders import a_resource, target

HERE = {"gpu_product": "NVIDIA-L4", "compute_capability": "8.9"}


def targets(**gpus: dict[str, Any]) -> tuple[PlannedTarget, ...]:
    made = [target(name, "TensorRT", gpu=gpu) for name, gpu in gpus.items()]
    resource = a_resource().targets(*made)
    return plan_of(resource.parsed(), namespace="team", name="digits").targets


TAKEN = {
    "the GPU that is here": targets(a={"computeCapability": "8.9"}),
    "a product, whatever its label says": targets(a={"product": "NVIDIA-L4-SHARED"}),
    "one GPU for two": targets(a={"product": "NVIDIA-L4"}, b={"product": "NVIDIA-L4"}),
}


@pytest.mark.parametrize("asked", TAKEN.values(), ids=TAKEN)
def test_it_takes(asked: tuple[PlannedTarget, ...]) -> None:
    require_gpus(asked, HERE)


REFUSED = {
    "a GPU of another kind": targets(a={"computeCapability": "8.6"}),
    "two GPUs on one machine": targets(a={"product": "NVIDIA-L4"}, b={"product": "Tesla-T4"}),
}


@pytest.mark.parametrize("asked", REFUSED.values(), ids=REFUSED)
def test_it_refuses(asked: tuple[PlannedTarget, ...]) -> None:
    with pytest.raises(InvalidSpec) as stopped:
        require_gpus(asked, HERE)

    assert stopped.value.reason is Reason.RUNTIME_UNAVAILABLE


def test_without_a_gpu_the_builder_says_so_itself() -> None:
    require_gpus(targets(a={"computeCapability": "8.6"}), None)


class Nvml:
    """The driver's library, as ctypes calls it."""

    def __init__(self, *, works: bool = True, sees: bool = True) -> None:
        self._works, self._sees = works, sees
        self.open = False

    def nvmlInit_v2(self) -> int:  # noqa: N802 - its name
        self.open = self._works
        return 0 if self._works else 9

    def nvmlShutdown(self) -> int:  # noqa: N802 - its name
        self.open = False
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, _index: int, _device: Any) -> int:  # noqa: N802 - its name
        return 0 if self._sees else 6

    def nvmlDeviceGetName(self, _device: Any, buffer: Any, _size: int) -> int:  # noqa: N802 - its name
        buffer.value = b"NVIDIA L4"
        return 0

    def nvmlDeviceGetCudaComputeCapability(self, _device: Any, major: Any, minor: Any) -> int:  # noqa: N802 - its name
        major._obj.value, minor._obj.value = 8, 9
        return 0

    def nvmlSystemGetDriverVersion(self, buffer: Any, _size: int) -> int:  # noqa: N802 - its name
        buffer.value = b"570.86.15"
        return 0

    def nvmlSystemGetCudaDriverVersion_v2(self, version: Any) -> int:  # noqa: N802 - its name
        version._obj.value = 12080
        return 0


def test_a_gpu_is_told_of_as_its_nodes_label_has_it() -> None:
    asked: list[str] = []
    nvml = Nvml()

    def opened(name: str) -> Nvml:
        asked.append(name)
        return nvml

    gpu = this_gpu(opened)

    assert gpu is not None
    assert gpu.facts() == {
        "gpu_product": "NVIDIA-L4",
        "compute_capability": "8.9",
        "driver_version": "570.86.15",
        "cuda_version": "12.8",
    }
    assert (asked, nvml.open) == ([LIBRARY], False)


def no_library(name: str) -> Any:
    raise OSError(f"{name}: cannot open shared object file")


NONE = {
    "no driver": no_library,
    "a driver that does not work": lambda _: Nvml(works=False),
    "a driver without a GPU": lambda _: Nvml(sees=False),
}


@pytest.mark.parametrize("load", NONE.values(), ids=NONE)
def test_without_a_gpu_nothing_is_told(load: Any) -> None:
    assert this_gpu(load) is None
