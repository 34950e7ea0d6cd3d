"""Quantise a task's model by ONNX Runtime's tool, and print the seconds that the calls took.

python -m benchmarks.compression.bare.quantize TASK_DIR OUT_DIR SAMPLES
"""

import sys
import time
from pathlib import Path

from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from benchmarks.compression.contestants.calibration import Reader


def main() -> None:
    """Quantise."""
    task, out, samples = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    began = time.perf_counter()
    quant_pre_process(task / "model.onnx", out / "prepared.onnx")
    quantize_static(
        out / "prepared.onnx",
        out / "model.onnx",
        Reader(task, samples),
        quant_format=QuantFormat.QOperator,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    print(time.perf_counter() - began)


if __name__ == "__main__":
    main()
