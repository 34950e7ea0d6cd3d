"""ONNX Runtime's own quantisation with the best settings that we know of for a CPU with VNNI.

    python -m benchmarks.compression.contestants.onnxruntime_best TASK_DIR OUT_DIR [--dynamic]

Preprocessed, unsigned activations, signed weights per channel, integer operators; it reads
TASK_DIR/model.onnx and calib.npz, and writes OUT_DIR/model.onnx.
"""

from onnxruntime.quantization import QuantFormat, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from benchmarks.compression.contestants.calibration import Reader, parsed


def main() -> None:
    """Quantise."""
    chosen = parsed(__doc__)
    out, prepared = chosen.out / "model.onnx", chosen.out / "prepared.onnx"
    quant_pre_process(chosen.task / "model.onnx", prepared)
    if chosen.dynamic:
        quantize_dynamic(prepared, out, per_channel=True, weight_type=QuantType.QInt8)
    else:
        quantize_static(
            prepared,
            out,
            Reader(chosen.task, chosen.samples),
            quant_format=QuantFormat.QOperator,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
    prepared.unlink()


if __name__ == "__main__":
    main()
