"""ONNX Runtime's own quantisation, called as its documentation does first: defaults everywhere.

    python -m benchmarks.compression.contestants.onnxruntime_defaults TASK_DIR OUT_DIR [--dynamic]

It reads TASK_DIR/model.onnx and calib.npz, and writes OUT_DIR/model.onnx.
"""

from onnxruntime.quantization import quantize_dynamic, quantize_static

from benchmarks.compression.contestants.calibration import Reader, parsed


def main() -> None:
    """Quantise."""
    chosen = parsed(__doc__)
    model, out = chosen.task / "model.onnx", chosen.out / "model.onnx"
    if chosen.dynamic:
        quantize_dynamic(model, out)
    else:
        quantize_static(model, out, Reader(chosen.task, chosen.samples))


if __name__ == "__main__":
    main()
