"""What 8 bits mean for a runtime and a CPU: decided from plain data, nothing is run."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from lathe_steps.base import Runtime
from lathe_steps.errors import InvalidSpec
from lathe_steps.toolchains.graphs.few_bits import Blocks
from lathe_steps.toolchains.isa import ARM, VNNI

Type = Literal["Int8", "UInt8"]
Spelling = Literal["QDQ", "QOperator"]
_BYTE = 8
_TWO_FORMS = (
    "quantize: ONNX Runtime and TensorRT take different forms; move it into targets[].steps"
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the user leaves open is Auto."""

    mode: Literal["Dynamic", "Static", "WeightOnly"]
    format: Literal["Auto", "QDQ", "QOperator"]
    activations: Literal["Auto", "Int8", "UInt8"]
    weights: Literal["Auto", "Int8", "UInt8"]
    reduce_range: Literal["Auto", "Always", "Never"]
    activation_zero: Literal["Auto", "Symmetric", "Asymmetric"] = "Auto"
    weight_zero: Literal["Auto", "Symmetric", "Asymmetric"] = "Auto"
    bits: Literal[4, 8] = 4
    group_size: int | None = None


@dataclass(frozen=True, slots=True)
class Form:
    """How a graph is quantised.

    Attributes:
        spelling: Quantise/dequantise pairs, or integer operators.
        activations: Type of activations.
        weights: Type of weights.
        symmetric: Whether activations have no zero point of their own.
        symmetric_weights: The same for weights.
        reduce_range: Whether weights use 7 bits.
        quantise_bias: Whether biases become 32-bit integers.
        pairs_at_weights: Whether weights stay in floating point, followed by a pair.
    """

    spelling: Spelling
    activations: Type
    weights: Type
    symmetric: bool
    reduce_range: bool
    quantise_bias: bool = True
    pairs_at_weights: bool = False
    symmetric_weights: bool = True


def form_for(asked: Asked, runtimes: Sequence[Runtime]) -> Form:
    """Choose types, symmetry, bias and spelling for what the graph will run on.

    The reasons, measured on a CPU with VNNI: unsigned activations with signed weights are 2.5
    times as fast as signed with signed; integer operators make a tenth smaller files than pairs
    and are as fast. Without VNNI sums of 8-bit products can saturate, so weights get 7 bits; that
    costs no speed. TensorRT takes signed symmetric values only, and biases in floating point.

    Raises:
        InvalidSpec: When a runtime does not take what is asked for.
    """
    names = {runtime.name for runtime in runtimes}
    if names <= {"ONNXRuntime"}:
        return _for_onnx_runtime(asked, runtimes)
    if "ONNXRuntime" in names:
        raise InvalidSpec(_TWO_FORMS)
    return _for_tensorrt(asked)


def blocks_for(asked: Asked, runtimes: Sequence[Runtime]) -> Blocks:
    """Choose how weights alone are rounded, for what the graph will run on.

    ONNX Runtime's own product of blocks is the fastest, and smallest with a zero point for each
    block of 4 bits. TensorRT takes pairs, symmetric.

    Raises:
        InvalidSpec: When a runtime does not take what is asked for.
    """
    if asked.activations != "Auto" or asked.activation_zero != "Auto":
        raise InvalidSpec("quantize.activations: mode WeightOnly leaves them alone; use Auto")
    if asked.weights != "Auto":
        raise InvalidSpec("quantize.weights: mode WeightOnly takes bits instead; use Auto")
    names = {runtime.name for runtime in runtimes}
    if names <= {"ONNXRuntime"}:
        symmetric = asked.weight_zero == "Symmetric"
        if asked.weight_zero == "Auto":
            symmetric = asked.bits == _BYTE
        if asked.format == "QDQ":
            raise InvalidSpec(
                "quantize.format: ONNX Runtime computes weights in pairs a hundred times more "
                "slowly than in its own product; use Auto"
            )
        return Blocks(asked.bits, asked.group_size or 32, symmetric, "MatMulNBits")
    if "ONNXRuntime" in names:
        raise InvalidSpec(_TWO_FORMS)
    _refuse_for_tensorrt(asked)
    return Blocks(asked.bits, asked.group_size or 128, symmetric=True, spelling="QDQ")


def _for_onnx_runtime(asked: Asked, runtimes: Sequence[Runtime]) -> Form:
    arm = bool(runtimes) and all(runtime.isa & ARM for runtime in runtimes)
    safe = arm or (bool(runtimes) and all(runtime.isa & VNNI for runtime in runtimes))
    activations: Type = "Int8" if arm else "UInt8"
    if asked.mode == "Dynamic":
        if asked.format == "QDQ":
            raise InvalidSpec("quantize.format: mode Dynamic takes QOperator only; use Auto")
        if asked.activations == "Int8":
            raise InvalidSpec("quantize.activations: mode Dynamic takes UInt8 only; use Auto")
        if asked.activation_zero == "Symmetric":
            raise InvalidSpec(
                "quantize.activationSymmetry: mode Dynamic finds zero points itself; use Auto"
            )
        activations = "UInt8"
    elif asked.activations != "Auto":
        activations = asked.activations
    weights: Type = "Int8" if asked.weights == "Auto" else asked.weights
    return Form(
        spelling="QOperator" if asked.format == "Auto" else asked.format,
        activations=activations,
        weights=weights,
        symmetric=_symmetric(asked.activation_zero, activations),
        symmetric_weights=_symmetric(asked.weight_zero, weights),
        reduce_range=not safe if asked.reduce_range == "Auto" else asked.reduce_range == "Always",
    )


def _symmetric(asked: Literal["Auto", "Symmetric", "Asymmetric"], element: Type) -> bool:
    return element == "Int8" if asked == "Auto" else asked == "Symmetric"


def _for_tensorrt(asked: Asked) -> Form:
    if asked.mode == "Dynamic":
        raise InvalidSpec("quantize.mode: TensorRT takes calibrated graphs only; use mode Static")
    _refuse_for_tensorrt(asked)
    return Form(
        spelling="QDQ",
        activations="Int8",
        weights="Int8",
        symmetric=True,
        reduce_range=asked.reduce_range == "Always",
        quantise_bias=False,
        pairs_at_weights=True,
    )


def _refuse_for_tensorrt(asked: Asked) -> None:
    if asked.format == "QOperator":
        raise InvalidSpec("quantize.format: TensorRT takes QDQ only; use Auto")
    for field in ("activations", "weights"):
        if getattr(asked, field) == "UInt8":
            raise InvalidSpec(f"quantize.{field}: TensorRT takes Int8 only; use Auto")
    for field, zero in (("activation", asked.activation_zero), ("weight", asked.weight_zero)):
        if zero == "Asymmetric":
            raise InvalidSpec(f"quantize.{field}Symmetry: TensorRT takes Symmetric only; use Auto")
