"""Quantising a graph to 8 bits, with ONNX Runtime's quantizers."""

import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import (
    QuantizationMode,
    QuantType,
    onnx_quantizer,
    qdq_quantizer,
    registry,
)
from onnxruntime.quantization.calibrate import CalibrationMethod, TensorsData
from onnxruntime.quantization.quant_utils import load_model_with_shape_infer, update_opset_version

from lathe_steps.errors import Internal, InvalidSpec
from lathe_steps.reasons import Reason
from lathe_steps.toolchains.graphs import files, tables
from lathe_steps.toolchains.graphs.calibration import Ranges
from lathe_steps.toolchains.graphs.lowering import Form

_TYPES = {"Int8": QuantType.QInt8, "UInt8": QuantType.QUInt8}
_DYNAMIC = ("MatMul", "Attention", "LSTM", "Gather", "Transpose", "EmbedLayerNormalization")
"""Without Conv: convolutions with ranges found while running are several times slower than fp32."""
_DYNAMIC_CORE = frozenset({"MatMul", "Gemm", "Attention", "LSTM"})


def quantise_static(
    graph: Path,
    ranges: Ranges,
    form: Form,
    *,
    per_channel: bool,
    exclude: Collection[str],
) -> onnx.ModelProto:
    """Quantise a prepared graph with calibrated ranges.

    Raises:
        Internal: UnsupportedModel, when the quantizer fails on the graph.
    """
    weights, activations = _TYPES[form.weights], _TYPES[form.activations]
    model = update_opset_version(load_model_with_shape_infer(graph), weights, activations)
    options = {
        "ActivationSymmetric": form.symmetric,
        "WeightSymmetric": form.symmetric_weights,
        "QuantizeBias": form.quantise_bias,
        "AddQDQPairToWeight": form.pairs_at_weights,
    }
    common: dict[str, Any] = {
        "model": model,
        "per_channel": per_channel,
        "reduce_range": form.reduce_range,
        "weight_qType": weights,
        "activation_qType": activations,
        "tensors_range": _as_theirs(ranges),
        "nodes_to_quantize": [],
        "nodes_to_exclude": list(exclude),
        "op_types_to_quantize": sorted({*registry.QLinearOpsRegistry, *registry.QDQRegistry}),
        "extra_options": options,
    }
    if form.spelling == "QOperator":
        return _finished(
            onnx_quantizer.ONNXQuantizer(mode=QuantizationMode.QLinearOps, static=True, **common)
        )
    return _finished(qdq_quantizer.QDQQuantizer(**common))


def quantise_dynamic(
    graph: Path, form: Form, *, per_channel: bool, exclude: Collection[str]
) -> onnx.ModelProto:
    """Quantise the weights of matrix products; ranges of activations are found while running.

    Embeddings and large constants are stored in 8 bits, too.

    Raises:
        InvalidSpec: When the graph has no matrix products.
        Internal: UnsupportedModel, when the quantizer fails on the graph.
    """
    weights = _TYPES[form.weights]
    model = update_opset_version(load_model_with_shape_infer(graph), weights)
    if not any(node.op_type in _DYNAMIC_CORE for node in model.graph.node):
        raise InvalidSpec(
            "quantize.mode: the model has no matrix products, which is all that Dynamic makes "
            "faster; use mode Static"
        )
    options = {"MatMulConstBOnly": True, "WeightSymmetric": form.symmetric_weights}
    quantised = _finished(
        onnx_quantizer.ONNXQuantizer(
            model,
            per_channel,
            form.reduce_range,
            QuantizationMode.IntegerOps,
            static=False,
            weight_qType=weights,
            activation_qType=QuantType.QUInt8,
            tensors_range=None,
            nodes_to_quantize=[],
            nodes_to_exclude=list(exclude),
            op_types_to_quantize=list(_DYNAMIC),
            extra_options=options,
        )
    )
    tables.shrink(quantised, exclude)
    return quantised


def _as_theirs(ranges: Ranges) -> Any:  # noqa: ANN401 - ONNX Runtime has no types
    pairs = {
        name: tuple(np.array(end, np.float32) for end in ends) for name, ends in ranges.items()
    }
    return TensorsData(CalibrationMethod.MinMax, pairs)


def _finished(quantizer: Any) -> onnx.ModelProto:  # noqa: ANN401 - ONNX Runtime has no types
    try:
        with _quiet():
            quantizer.quantize_model()
    except (ValueError, TypeError, KeyError, AttributeError, AssertionError, RuntimeError) as error:
        raise Internal(
            f"quantize: ONNX Runtime's quantizer fails on this graph: {error!r}; exclude the "
            "nodes that it does not know",
            reason=Reason.UNSUPPORTED_MODEL,
        ) from error
    quantizer.model.topological_sort()
    model: onnx.ModelProto = quantizer.model.model
    files.strip(model)
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep advice to programmers, given by the root logger, from users' terminals."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
