"""From an ONNX graph to a serialised engine."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lathe_steps.base import Artifact, Format
from lathe_steps.errors import Internal, InvalidSpec
from lathe_steps.reasons import Reason
from lathe_steps.toolchains.engines import profiles, toolchain
from lathe_steps.toolchains.gpu import this_gpu

ENGINE = "model.engine"
"""One file for all compute capabilities: the library puts them into one engine."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to build; the fields are those of the step.

    Attributes:
        runtime: TensorRT or TensorRTRTX.
        compute_capabilities: GPUs to build for, such as 8.9; empty for the library's choice.
        profiles: Shapes by input; empty for defaults.
        optimization_level: How long to search for fast kernels.
        workspace: Most bytes of scratch memory; None for all of the GPU's.
    """

    runtime: str
    compute_capabilities: tuple[str, ...]
    profiles: Sequence[Mapping[str, profiles.Given]]
    optimization_level: int
    workspace: int | None


def require(runtime: str, compute_capabilities: Sequence[str]) -> None:
    """Look whether engines of a runtime can be built here, for these GPUs.

    Raises:
        InvalidSpec: RuntimeUnavailable, or an unknown compute capability.
    """
    trt = toolchain.load(runtime)
    builder = toolchain.builder(trt, runtime, _log_of(trt))
    toolchain.set_capabilities(trt, builder.create_builder_config(), compute_capabilities)


def build(
    graph: Artifact, out: Path, order: Order, *, progress: Callable[[float, str], None]
) -> Artifact:
    """Build an engine.

    Raises:
        InvalidSpec: RuntimeUnavailable, an unknown compute capability, or a profile that does not
            fit the model.
        Internal: UnsupportedModel, when the library cannot build the graph; with its own words.
    """
    trt = toolchain.load(order.runtime)
    log = _log_of(trt)
    builder = toolchain.builder(trt, order.runtime, log)
    strongly_typed = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network = builder.create_network(strongly_typed)
    parser = trt.OnnxParser(network, log)
    if not parser.parse_from_file(str(graph.main)):
        raise _unparsed(parser, order.runtime)
    config = builder.create_builder_config()
    _configure(trt, builder, network, config, order)
    config.progress_monitor = monitor = _monitor_of(trt, progress)
    engine = builder.build_serialized_network(network, config)
    del monitor
    if engine is None:
        raise Internal(
            f"{order.runtime} cannot build the engine: {log.last_error()}",
            reason=Reason.UNSUPPORTED_MODEL,
        )
    (out / ENGINE).write_bytes(memoryview(engine))
    progress(1.0, "built")
    return Artifact(Format.ENGINE, out, (ENGINE,), _facts(trt, order))


def _configure(trt: Any, builder: Any, network: Any, config: Any, order: Order) -> None:  # noqa: ANN401
    toolchain.set_capabilities(trt, config, order.compute_capabilities)
    config.builder_optimization_level = order.optimization_level
    if order.workspace is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, order.workspace)
    tensors = [network.get_input(i) for i in range(network.num_inputs)]
    inputs = {tensor.name: tuple(tensor.shape) for tensor in tensors}
    for i, ranges in enumerate(profiles.checked(order.profiles, inputs)):
        profile = builder.create_optimization_profile()
        for name, shapes in ranges.items():
            profile.set_shape(name, *shapes)
        if config.add_optimization_profile(profile) < 0:
            raise InvalidSpec(
                f"tensorrt.profiles[{i}]: {order.runtime} does not take it; give every dynamic "
                "input shapes that fit together"
            )


def _unparsed(parser: Any, runtime: str) -> Internal:  # noqa: ANN401
    error = parser.get_error(0) if parser.num_errors else None
    where = f"{error.node_name()} ({error.node_operator()}): {error.desc()}" if error else "unknown"
    return Internal(
        f"{runtime} does not take the graph: {where.partition(chr(10))[0]}",
        reason=Reason.UNSUPPORTED_MODEL,
    )


def _facts(trt: Any, order: Order) -> dict[str, float | int | str]:  # noqa: ANN401
    facts: dict[str, float | int | str] = {"tensorrt_version": str(trt.__version__)}
    if order.runtime == "TensorRT":
        gpu = this_gpu()
        return {**facts, **(gpu.facts() if gpu else {})}
    wanted = order.compute_capabilities
    return {**facts, "compute_capability": ", ".join(wanted)} if wanted else facts


def _log_of(trt: Any) -> Any:  # noqa: ANN401
    """The library's log, of which the last error is kept for the user."""

    class Log(trt.ILogger):  # type: ignore[misc]  # its base is known when it is loaded
        def __init__(self) -> None:
            super().__init__()
            self._errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:  # noqa: ANN401
            if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR):
                self._errors.append(message.partition("\n")[0])

        def last_error(self) -> str:
            return self._errors[-1] if self._errors else "it gives no reason"

    return Log()


def _monitor_of(trt: Any, progress: Callable[[float, str], None]) -> Any:  # noqa: ANN401
    """Tells how far the outermost phase of the build is."""

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]  # as above
        def __init__(self) -> None:
            super().__init__()
            self._steps: dict[str, int] = {}
            self._outermost = ""

        def phase_start(self, phase: str, parent: str | None, steps: int) -> None:
            self._steps[phase] = max(1, steps)
            if not parent:
                self._outermost = phase

        def step_complete(self, phase: str, step: int) -> bool:
            if phase == self._outermost:
                progress(min(1.0, (step + 1) / self._steps[phase]), phase)
            return True

        def phase_finish(self, phase: str) -> None:
            self._steps.pop(phase, None)

    return Monitor()
