"""What holds for every step on graphs: large models, old ones, and the same result every time."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest

from lathe_steps.base import Artifact, Runtime, Step
from lathe_steps.convert_precision import ConvertPrecision
from lathe_steps.export import Export
from lathe_steps.quantize import Quantize
from lathe_steps.simplify import Simplify
from lathe_steps.toolchains.graphs import files
from tests.step_runs import Bench, run

pytestmark = pytest.mark.toolchain

CPU, RTX = Runtime("ONNXRuntime", frozenset({"avx512_vnni"})), Runtime("TensorRTRTX")
IMAGES = np.random.default_rng(0).uniform(size=(4, 1, 8, 8)).astype(np.float32)


def static(**asked: Any) -> Step:
    calibration = {"dataset": "calib", "samples": 8}
    return Quantize.model_validate({"mode": "Static", "calibration": calibration, **asked})


STEPS: dict[str, tuple[Runtime, Callable[[], Step]]] = {
    "simplify": (CPU, Simplify),
    "quantize for ONNX Runtime": (CPU, static),
    "quantize as pairs": (CPU, lambda: static(format="QDQ")),
    "quantize while running": (CPU, lambda: Quantize(mode="Dynamic")),
    "quantize for TensorRT": (RTX, static),
    "convertPrecision to FP16": (RTX, ConvertPrecision),
    "convertPrecision to BF16": (RTX, lambda: ConvertPrecision(dtype="BF16")),
}
steps = pytest.mark.parametrize(("runtime", "step"), STEPS.values(), ids=STEPS)


def close(artifact: Artifact, other: Artifact) -> bool:
    before, after = (run(a, {"x": IMAGES})["scores"].ravel() for a in (artifact, other))
    return float(np.corrcoef(before, after)[0, 1]) > 0.98


@steps
def test_weights_beside_the_file_stay_beside_it(
    bench: Bench, runtime: Runtime, step: Callable[[], Step], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "INLINE_LIMIT", 100)
    folder = bench.folder()
    model = onnx.load(bench.graph().main)
    weights = [tensor for tensor in model.graph.initializer if len(tensor.raw_data) > 100]
    (folder / files.DATA).write_bytes(b"".join(tensor.raw_data for tensor in weights))
    start = 0
    for tensor in weights:
        size = len(tensor.raw_data)
        onnx.external_data_helper.set_external_data(tensor, files.DATA, start, size)
        tensor.ClearField("raw_data")
        start += size
    (folder / files.MODEL).write_bytes(model.SerializeToString())
    large = files.artifact(folder)

    result = step().apply(large, bench.context(runtimes=(runtime,)))

    assert result.entry == (files.MODEL, files.DATA)
    assert {file.name for file in result.path.iterdir()} == set(result.entry)
    assert close(large, result)


def test_an_exported_model_has_its_weights_beside_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "INLINE_LIMIT", 100)

    exported = Export().apply(bench.network("lathe.mlp"), bench.context())

    assert exported.entry == (files.MODEL, files.DATA)
    assert exported.main.stat().st_size < 10_000


@steps
def test_a_graph_of_an_old_operator_set_will_do(
    bench: Bench, runtime: Runtime, step: Callable[[], Step]
) -> None:
    old = bench.graph(opset=11)

    assert close(old, step().apply(old, bench.context(runtimes=(runtime,))))


@steps
def test_the_same_again_is_the_same_bytes(
    bench: Bench, runtime: Runtime, step: Callable[[], Step]
) -> None:
    graph = bench.graph()

    once, again = (
        step().apply(graph, bench.context(runtimes=(runtime,))).main.read_bytes() for _ in range(2)
    )

    assert once == again
