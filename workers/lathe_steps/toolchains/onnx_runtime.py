"""Running ONNX models on the CPU."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from lathe_steps.base import Artifact, TensorSpec
from lathe_steps.errors import Internal
from lathe_steps.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np

_NUMPY_NAMES = {"float": "float32", "double": "float64"}
"""Where ONNX Runtime's name of a type is not numpy's."""


class Session:
    """An ONNX artifact, loaded by ONNX Runtime for the CPU.

    A model in bfloat16, which CPUs have no kernels for, computes in 32 bits with its rounded
    weights.

    Attributes:
        inputs: What it takes; a dynamic axis has a name.
        outputs: What it gives, in the model's order.

    Raises:
        Internal: UnsupportedModel, when ONNX Runtime cannot load it.
    """

    def __init__(self, artifact: Artifact, threads: int) -> None:
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        # idle threads of one session must not spin into the time of another
        options.add_session_config_entry("session.force_spinning_stop", "1")
        self._refusals = errors()
        try:
            self._session: Any = _opened(artifact, options)
        except self._refusals as error:
            raise Internal(
                f"ONNX Runtime cannot load it: {first_line(error)}",
                reason=Reason.UNSUPPORTED_MODEL,
            ) from error
        self.inputs = tuple(_spec(node) for node in self._session.get_inputs())
        self.outputs = tuple(_spec(node) for node in self._session.get_outputs())

    def run(self, inputs: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """Run the model once.

        Args:
            inputs: An array per input; cast to the input's type where it has another.

        Returns:
            An array per output.

        Raises:
            Internal: StepFailed, when the model does not take arrays of these shapes.
        """
        feed = {s.name: inputs[s.name].astype(s.dtype, copy=False) for s in self.inputs}
        try:
            found: Sequence[np.ndarray] = self._session.run(None, feed)
        except self._refusals as error:
            raise Internal(f"ONNX Runtime cannot run the model: {first_line(error)}") from error
        return {spec.name: array for spec, array in zip(self.outputs, found, strict=True)}


def _opened(artifact: Artifact, options: Any) -> Any:  # noqa: ANN401 - ONNX Runtime has no types
    import onnxruntime as ort

    providers = ["CPUExecutionProvider"]
    try:
        return ort.InferenceSession(str(artifact.main), options, providers=providers)
    except errors():
        from lathe_steps.toolchains.graphs import widening

        if not widening.holds_bfloat16(artifact.main):
            raise
        with TemporaryDirectory() as folder:
            wide = widening.widened(artifact.main, Path(folder))
            return ort.InferenceSession(str(wide), options, providers=providers)


def _spec(node: Any) -> TensorSpec:  # noqa: ANN401 - a NodeArg of ONNX Runtime, which has no types
    kind = node.type.removeprefix("tensor(").removesuffix(")")
    shape = tuple(
        axis if isinstance(axis, int | str) else f"{node.name}_{i}"
        for i, axis in enumerate(node.shape or ())
    )
    return TensorSpec(node.name, _NUMPY_NAMES.get(kind, kind), shape)


def errors() -> tuple[type[Exception], ...]:
    """Whatever ONNX Runtime raises: its errors have no base of their own."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    kinds = [kind for kind in vars(state).values() if isinstance(kind, type)]
    return tuple(kind for kind in kinds if issubclass(kind, Exception))


def first_line(error: Exception) -> str:
    """The first line of an error's message; ONNX Runtime's go on for many."""
    return str(error).partition("\n")[0]
