"""Measure models on a task, side by side: quality, size and latency, all by ONNX Runtime.

    python -m benchmarks.compression.measure TASK_DIR NAME=MODEL.onnx …

The task's own fp32 model is always measured with them, under the name fp32. One thread on one
CPU; the models take turns in blocks, in an order that changes, so that drift meets them alike.
Every call has one sample, as when a model is served.
"""

import argparse
import hashlib
import json
import os
import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from benchmarks.compression.tasks import files

FP32 = "fp32"
BLOCKS = 20
BLOCK_SECONDS = 0.1
"""Least time of a block of calls of one model."""
WARM_UP = 2
LEAST, MOST = 5, 400
"""Calls of a block."""


def main() -> None:
    """Measure, and print or write the figures as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("task", type=Path)
    parser.add_argument("models", nargs="*", metavar="NAME=MODEL.onnx")
    parser.add_argument("--out", type=Path, help="file for the figures; else they are printed")
    parser.add_argument("--blocks", type=int, default=BLOCKS)
    chosen = parser.parse_args()
    pairs = [pair.partition("=") for pair in chosen.models]
    models = {FP32: chosen.task / "model.onnx"} | {name: Path(path) for name, _, path in pairs}
    text = json.dumps(measured(chosen.task, models, chosen.blocks), indent=1) + "\n"
    if chosen.out is None:
        print(text, end="")
    else:
        chosen.out.write_text(text)


def measured(task: Path, models: Mapping[str, Path], blocks: int) -> dict[str, Any]:
    """All figures of all models, fp32 among them."""
    cpu = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cpu})
    load = os.getloadavg()[0]
    sessions = {name: session_of(path) for name, path in models.items()}
    test = files.samples(task, "test")
    times = timed(sessions, test.inputs, blocks)
    trained = files.read(task).trained
    right = {name: answers(s, test.inputs) == test.labels for name, s in sessions.items()}
    return {
        "samples": len(test) if trained else 0,
        "cpu": cpu,
        "load": load,
        "models": {
            name: {
                "sha256": digest(path),
                "bytes": path.stat().st_size,
                **({"top1": float(right[name].mean())} if trained else {}),
                "lost": int((right[FP32] & ~right[name]).sum()),
                "gained": int((~right[FP32] & right[name]).sum()),
                **times[name],
            }
            for name, path in models.items()
        },
    }


def digest(path: Path) -> str:
    """The file's sha256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def session_of(path: Path) -> ort.InferenceSession:
    """A model on one thread, that of the caller."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def answers(session: ort.InferenceSession, inputs: np.ndarray) -> np.ndarray:
    """The class that each sample gets, one at a time."""
    name = session.get_inputs()[0].name
    found = (session.run(None, {name: inputs[row : row + 1]})[0] for row in range(len(inputs)))
    return np.array([scores.argmax() for scores in found])


def timed(
    sessions: Mapping[str, ort.InferenceSession], inputs: np.ndarray, blocks: int
) -> dict[str, dict[str, Any]]:
    """Milliseconds of a call, wall and CPU: the median, and the median of each block."""
    calls = {name: _calls(session, inputs) for name, session in sessions.items()}
    seen: dict[str, list[list[tuple[int, int]]]] = {name: [] for name in sessions}
    order = list(sessions)
    chance = np.random.default_rng(0)
    for _ in range(blocks):
        chance.shuffle(order)
        for name in order:
            seen[name].append(_block(sessions[name], inputs, calls[name]))
    return {name: _summed_up(found) for name, found in seen.items()}


def _summed_up(blocks: list[list[tuple[int, int]]]) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for which, kind in enumerate(("wall", "cpu")):
        figures[f"{kind}_ms"] = _median([call[which] for block in blocks for call in block])
        figures[f"{kind}_ms_by_block"] = [_median([call[which] for call in b]) for b in blocks]
    return figures


def _calls(session: ort.InferenceSession, inputs: np.ndarray) -> int:
    """How many calls make a block."""
    _block(session, inputs, LEAST)
    once = statistics.median(wall for wall, _ in _block(session, inputs, LEAST)) / 1e9
    return min(MOST, max(LEAST, round(BLOCK_SECONDS / once)))


def _block(session: ort.InferenceSession, inputs: np.ndarray, count: int) -> list[tuple[int, int]]:
    """Nanoseconds of wall and CPU of each call, after a few that are not counted."""
    name = session.get_inputs()[0].name
    found = []
    for call in range(-WARM_UP, count):
        row = call % len(inputs)
        sample = {name: inputs[row : row + 1]}
        wall, cpu = time.perf_counter_ns(), time.thread_time_ns()
        session.run(None, sample)
        if call >= 0:
            found.append((time.perf_counter_ns() - wall, time.thread_time_ns() - cpu))
    return found


def _median(nanoseconds: list[int]) -> float:
    return statistics.median(nanoseconds) / 1e6


if __name__ == "__main__":
    main()
