"""What 8 bits mean for a runtime and a CPU."""

from typing import Any

import pytest

from lathe_steps.base import Runtime
from lathe_steps.errors import InvalidSpec
from lathe_steps.toolchains.graphs.lowering import Asked, Form, form_for

VNNI = Runtime("ONNXRuntime", frozenset({"avx2", "avx512_vnni"}))
AVX_VNNI = Runtime("ONNXRuntime", frozenset({"avx2", "avx_vnni"}))
OLD = Runtime("ONNXRuntime", frozenset({"avx2"}))
UNKNOWN = Runtime("ONNXRuntime")
ARM = Runtime("ONNXRuntime", frozenset({"asimd", "asimddp"}))
RTX, TENSORRT = Runtime("TensorRTRTX"), Runtime("TensorRT")


def asked(**fields: Any) -> Asked:
    open_ = {
        "mode": "Static",
        "format": "Auto",
        "activations": "Auto",
        "weights": "Auto",
        "reduce_range": "Auto",
    }
    return Asked(**{**open_, **fields})


def on_cpu(**fields: Any) -> Form:
    usual: dict[str, Any] = {
        "spelling": "QOperator",
        "activations": "UInt8",
        "weights": "Int8",
        "symmetric": False,
        "reduce_range": False,
    }
    return Form(**{**usual, **fields})


ON_GPU = Form(
    spelling="QDQ",
    activations="Int8",
    weights="Int8",
    symmetric=True,
    reduce_range=False,
    quantise_bias=False,
    pairs_at_weights=True,
)
FORMS = {
    "unsigned activations with VNNI": (on_cpu(), {}, (VNNI,)),
    "the same with the narrower VNNI": (on_cpu(), {}, (AVX_VNNI,)),
    "7-bit weights without VNNI": (on_cpu(reduce_range=True), {}, (OLD,)),
    "7-bit weights where the CPU is unknown": (on_cpu(reduce_range=True), {}, (UNKNOWN,)),
    "7-bit weights where one of the CPUs needs them": (
        on_cpu(reduce_range=True),
        {},
        (VNNI, OLD),
    ),
    "signed activations on ARM": (on_cpu(activations="Int8", symmetric=True), {}, (ARM,)),
    "the spelling that is asked for": (on_cpu(spelling="QDQ"), {"format": "QDQ"}, (VNNI,)),
    "8-bit weights where they are asked for": (on_cpu(), {"reduce_range": "Never"}, (OLD,)),
    "7-bit weights where they are asked for": (
        on_cpu(reduce_range=True),
        {"reduce_range": "Always"},
        (VNNI,),
    ),
    "the types that are asked for": (
        on_cpu(activations="Int8", weights="UInt8", symmetric=True, symmetric_weights=False),
        {"activations": "Int8", "weights": "UInt8"},
        (VNNI,),
    ),
    "symmetric activations where they are asked for": (
        on_cpu(symmetric=True),
        {"activation_zero": "Symmetric"},
        (VNNI,),
    ),
    "asymmetric weights where they are asked for": (
        on_cpu(symmetric_weights=False),
        {"weight_zero": "Asymmetric"},
        (VNNI,),
    ),
    "unsigned activations while running, on ARM too": (on_cpu(), {"mode": "Dynamic"}, (ARM,)),
    "signed symmetric pairs for TensorRT-RTX": (ON_GPU, {}, (RTX,)),
    "the same for TensorRT": (ON_GPU, {}, (TENSORRT,)),
    "the same for both": (ON_GPU, {}, (RTX, TENSORRT)),
}


@pytest.mark.parametrize(("expected", "fields", "runtimes"), FORMS.values(), ids=FORMS)
def test_it_is(expected: Form, fields: dict[str, Any], runtimes: tuple[Runtime, ...]) -> None:
    assert form_for(asked(**fields), runtimes) == expected


REFUSED = {
    "one graph for CPU and GPU": ({}, (VNNI, RTX)),
    "ranges found while running, on a GPU": ({"mode": "Dynamic"}, (RTX,)),
    "pairs whose ranges are found while running": ({"mode": "Dynamic", "format": "QDQ"}, (VNNI,)),
    "zero points that are given while they are found": (
        {"mode": "Dynamic", "activation_zero": "Symmetric"},
        (VNNI,),
    ),
    "zero points of activations on a GPU": ({"activation_zero": "Asymmetric"}, (RTX,)),
    "zero points of weights on a GPU": ({"weight_zero": "Asymmetric"}, (TENSORRT,)),
    "integer operators on a GPU": ({"format": "QOperator"}, (RTX,)),
    "unsigned activations on a GPU": ({"activations": "UInt8"}, (TENSORRT,)),
    "unsigned weights on a GPU": ({"weights": "UInt8"}, (TENSORRT,)),
    "signed activations found while running": (
        {"mode": "Dynamic", "activations": "Int8"},
        (VNNI,),
    ),
}


@pytest.mark.parametrize(("fields", "runtimes"), REFUSED.values(), ids=REFUSED)
def test_it_refuses(fields: dict[str, Any], runtimes: tuple[Runtime, ...]) -> None:
    with pytest.raises(InvalidSpec):
        form_for(asked(**fields), runtimes)
