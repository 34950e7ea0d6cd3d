"""The GPU of this machine, as its driver's management library (NVML) tells; nothing is started."""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

LIBRARY = "libnvidia-ml.so.1"
"""Comes with the driver; the container toolkit mounts it into pods that have a GPU."""
_TEXT = 96
"""Bytes of a buffer for NVML's words."""

Load = Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class ThisGPU:
    """What an engine that is built here depends on, besides its builder's version.

    Attributes:
        product: As the node label nvidia.com/gpu.product has it, such as NVIDIA-L4.
        compute_capability: Such as 8.9.
        driver_version: Such as 570.86.15.
        cuda_version: Newest version of CUDA that the driver takes, such as 12.8.
    """

    product: str
    compute_capability: str
    driver_version: str
    cuda_version: str

    def facts(self) -> dict[str, str]:
        """By name, for keys and reports."""
        return {
            "gpu_product": self.product,
            "compute_capability": self.compute_capability,
            "driver_version": self.driver_version,
            "cuda_version": self.cuda_version,
        }


def this_gpu(load: Load = ctypes.CDLL) -> ThisGPU | None:
    """The first GPU that this process sees; None where there is none, or no driver."""
    try:
        nvml = load(LIBRARY)
    except OSError:
        return None
    if nvml.nvmlInit_v2() != 0:
        return None
    try:
        return _first(nvml)
    finally:
        nvml.nvmlShutdown()


def _first(nvml: Any) -> ThisGPU | None:  # noqa: ANN401 - a library has no type
    device, major, minor = ctypes.c_void_p(), ctypes.c_int(), ctypes.c_int()
    cuda = ctypes.c_int()
    name, driver = ctypes.create_string_buffer(_TEXT), ctypes.create_string_buffer(_TEXT)
    answers = (
        nvml.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(device)),
        nvml.nvmlDeviceGetName(device, name, _TEXT),
        nvml.nvmlDeviceGetCudaComputeCapability(device, ctypes.byref(major), ctypes.byref(minor)),
        nvml.nvmlSystemGetDriverVersion(driver, _TEXT),
        nvml.nvmlSystemGetCudaDriverVersion_v2(ctypes.byref(cuda)),
    )
    if any(answers):
        return None
    return ThisGPU(
        product=name.value.decode(errors="replace").replace(" ", "-"),
        compute_capability=f"{major.value}.{minor.value}",
        driver_version=driver.value.decode(errors="replace"),
        cuda_version=f"{cuda.value // 1000}.{cuda.value % 1000 // 10}",
    )
