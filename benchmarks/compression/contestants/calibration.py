"""What the scripts for ONNX Runtime have in common: arguments, and samples to calibrate on."""

import argparse
from pathlib import Path

import numpy as np
from onnxruntime.quantization import CalibrationDataReader

SAMPLES = 256


def parsed(about: str | None) -> argparse.Namespace:
    """Arguments `task`, `out`, `dynamic` and `samples`."""
    parser = argparse.ArgumentParser(description=(about or "").partition("\n")[0])
    parser.add_argument("task", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--dynamic", action="store_true", help="quantise activations while running")
    parser.add_argument("--samples", type=int, default=SAMPLES, help="to calibrate on")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    return chosen


class Reader(CalibrationDataReader):  # type: ignore[misc] # the library has no types
    """Samples of calib.npz, evenly spread over it, one at a time."""

    def __init__(self, task: Path, samples: int) -> None:
        with np.load(task / "calib.npz", allow_pickle=False) as archive:
            inputs = archive["inputs"]
        count = min(samples, len(inputs))
        self._rows = iter(inputs[np.arange(count) * len(inputs) // count])

    def get_next(self) -> dict[str, np.ndarray] | None:
        """The next batch of one; None after the last."""
        row = next(self._rows, None)
        return None if row is None else {"x": row[None]}
