"""Ranges of activations, found by running samples through a graph.

Memory does not grow with the number of samples: every batch is taken into the ranges before the
next one is read.
"""

from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from onnxruntime.quantization import CalibrationDataReader, calibrate

from lathe_steps.base import Dataset, TensorSpec
from lathe_steps.errors import BadInput, Internal
from lathe_steps.reasons import Reason
from lathe_steps.toolchains.arrays import checked_inputs
from lathe_steps.toolchains.onnx_runtime import errors, first_line

_METHODS = {
    "MinMax": calibrate.MinMaxCalibrater,
    "Entropy": calibrate.EntropyCalibrater,
    "Percentile": calibrate.PercentileCalibrater,
}
_BATCH = {"MinMax": 16, "Entropy": 2, "Percentile": 2}
"""Samples per batch: histograms need whole activations at once, minima and maxima do not."""

Feed = dict[str, np.ndarray]


@dataclass(frozen=True, slots=True)
class Sampling:
    """What to calibrate on; the fields are those of the step."""

    dataset: Dataset
    samples: int
    method: str
    symmetric: bool


def ranges(
    graph: Path,
    inputs: tuple[TensorSpec, ...],
    sampling: Sampling,
    *,
    threads: int,
    progress: Callable[[float, str], None],
) -> tuple[Any, int]:
    """Find the range of every activation.

    Args:
        graph: A prepared graph; files are written beside it.
        inputs: What it takes.
        sampling: What to calibrate on.
        threads: CPU threads.
        progress: Called with the share done and a short message.

    Returns:
        The ranges, as ONNX Runtime's quantizers take them, and the number of samples seen.

    Raises:
        BadInput: When the samples do not fit the model.
    """
    calibrator = _METHODS[sampling.method](
        graph,
        augmented_model_path=str(graph.parent / "augmented.onnx"),
        symmetric=sampling.symmetric,
        use_external_data_format=(graph.parent / "folded.onnx.data").exists(),
    )
    calibrator.augment_graph()
    calibrator.infer_session = _session(calibrator.augmented_model_path, threads)
    total = min(sampling.samples, len(sampling.dataset))
    seen = 0
    for count, feed in _feeds(inputs, sampling):
        try:
            with redirect_stdout(StringIO()):  # it prints for every batch
                calibrator.collect_data(_One(feed))
        except errors() as error:
            raise BadInput(
                f"{sampling.dataset.name}: the model does not run on its samples: "
                f"{first_line(error)}",
                reason=Reason.SHAPE_MISMATCH,
            ) from error
        seen += count
        progress(seen / total, f"calibrating {seen}/{total}")
    with redirect_stdout(StringIO()):
        return calibrator.compute_data(), seen


def _feeds(inputs: tuple[TensorSpec, ...], sampling: Sampling) -> Iterator[tuple[int, Feed]]:
    """Batches that the model takes: of its own size where that is fixed, the last one filled up."""
    axes = {spec.shape[0] for spec in inputs if spec.shape}
    fixed = next((axis for axis in axes if isinstance(axis, int)), None)
    size = fixed or _BATCH[sampling.method]
    for batch in sampling.dataset.batches(size, limit=sampling.samples):
        feed = checked_inputs(batch, inputs, sampling.dataset.name)
        count = len(next(iter(feed.values())))
        yield count, _filled(feed, fixed - count) if fixed and count < fixed else feed


def _filled(feed: Feed, missing: int) -> Feed:
    """Repeat the last sample, which changes no minimum or maximum."""
    return {
        name: np.concatenate([array, np.repeat(array[-1:], missing, axis=0)])
        for name, array in feed.items()
    }


def _session(file: str, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    try:
        return ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    except errors() as error:
        raise Internal(
            f"quantize: ONNX Runtime cannot watch the activations: {first_line(error)}",
            reason=Reason.UNSUPPORTED_MODEL,
        ) from error


class _One(CalibrationDataReader):  # type: ignore[misc]  # ONNX Runtime has no types
    """A reader of one batch."""

    def __init__(self, feed: Feed) -> None:
        self._left: Feed | None = feed

    def get_next(self) -> Feed | None:
        """The batch, once."""
        feed, self._left = self._left, None
        return feed
