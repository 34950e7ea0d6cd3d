"""The builder's library: TensorRT-RTX builds anywhere, TensorRT on the GPU it builds for."""

import importlib
from collections.abc import Sequence
from typing import Any

from lathe_steps.errors import InvalidSpec
from lathe_steps.reasons import Reason

_MODULES = {"TensorRTRTX": "tensorrt_rtx", "TensorRT": "tensorrt"}
_INSTALL = {"TensorRTRTX": "lathe[tensorrt-rtx]", "TensorRT": "lathe[tensorrt]"}
_NO_CAPABILITY = ("NONE", "CURRENT")


def load(runtime: str) -> Any:  # noqa: ANN401 - neither module has types
    """The module of a runtime.

    Raises:
        InvalidSpec: RuntimeUnavailable, when this image does not have it.
    """
    try:
        return importlib.import_module(_MODULES[runtime])
    except (ImportError, OSError, RuntimeError) as error:
        raise InvalidSpec(
            f"a target with runtime {runtime} needs {_INSTALL[runtime]}, which this worker does "
            f"not have ({error}); set worker.image to one that does, or choose another runtime",
            reason=Reason.RUNTIME_UNAVAILABLE,
        ) from error


def builder(trt: Any, runtime: str, logger: Any) -> Any:  # noqa: ANN401
    """A builder.

    Raises:
        InvalidSpec: RuntimeUnavailable, when it needs a GPU and there is none.
    """
    try:
        return trt.Builder(logger)
    except (TypeError, RuntimeError) as error:  # pybind11's way to say that it got a null pointer
        raise InvalidSpec(
            f"a target with runtime {runtime} is built on the GPU that it is for, and this worker "
            "sees none; set targets[].gpu and a limit on nvidia.com/gpu, or choose TensorRTRTX",
            reason=Reason.RUNTIME_UNAVAILABLE,
        ) from error


def known_capabilities(trt: Any) -> tuple[str, ...]:  # noqa: ANN401
    """The compute capabilities that the library can build for, such as 8.9."""
    names = [name for name in trt.ComputeCapability.__members__ if name not in _NO_CAPABILITY]
    return tuple(f"{name[2:-1]}.{name[-1]}" for name in sorted(names, key=lambda n: int(n[2:])))


def set_capabilities(trt: Any, config: Any, wanted: Sequence[str]) -> None:  # noqa: ANN401
    """Build for these GPUs; for none in particular when there are none.

    Raises:
        InvalidSpec: When the library does not know one of them.
    """
    if not wanted:
        return
    known = known_capabilities(trt)
    for capability in wanted:
        if capability not in known:
            raise InvalidSpec(
                f"tensorrt.computeCapabilities: {capability} cannot be built for; there are "
                f"{', '.join(known)}"
            )
    config.num_compute_capabilities = len(wanted)
    for i, capability in enumerate(wanted):
        name = f"SM{capability.replace('.', '')}"
        config.set_compute_capability(trt.ComputeCapability.__members__[name], i)
