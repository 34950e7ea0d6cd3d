"""Every step on graphs whose weights are too large for one file; here the limit is low."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from lathe_steps.base import Artifact, Step
from lathe_steps.convert_precision import ConvertPrecision
from lathe_steps.errors import InvalidSpec
from lathe_steps.export import Export
from lathe_steps.optimize import Optimize
from lathe_steps.quantize import Quantize
from lathe_steps.simplify import Simplify
from lathe_steps.toolchains.graphs import files
from tests.step_runs import Bench, run

pytestmark = pytest.mark.toolchain

IMAGES = np.random.default_rng(0).uniform(size=(4, 1, 8, 8)).astype(np.float32)
STATIC = {"mode": "Static", "calibration": {"dataset": "calib", "samples": 8}, "equalize": "Always"}


@pytest.fixture
def large(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Artifact:
    """A graph with its weights beside it, as 2 GB would have to be."""
    monkeypatch.setattr(files, "INLINE_LIMIT", 2000)
    model = onnx.load(bench.graph().main)
    folder = bench.folder()
    files.write(model, folder)
    assert (folder / files.DATA).exists()
    return files.artifact(folder)


STEPS: dict[str, tuple[bool, Callable[[], Step]]] = {
    "simplified": (True, Simplify),
    "optimised": (True, Optimize),
    "in 16 bits": (True, ConvertPrecision),
    "in 16 bits where values fit": (
        True,
        lambda: ConvertPrecision.model_validate({"calibration": {"dataset": "calib"}}),
    ),
    "in 8 bits": (False, lambda: Quantize.model_validate(STATIC)),
    "in pairs": (False, lambda: Quantize.model_validate({**STATIC, "format": "QDQ"})),
    "with a goal": (
        False,
        lambda: Quantize.model_validate(
            {**STATIC, "accuracy": {"dataset": "val", "samples": 32, "maxDrop": 0}}
        ),
    ),
    "in 8 bits while running": (True, lambda: Quantize.model_validate({"mode": "Dynamic"})),
    "with weights of 4 bits": (True, lambda: Quantize.model_validate({"mode": "WeightOnly"})),
}


@pytest.mark.parametrize(("beside", "step"), STEPS.values(), ids=STEPS)
def test_a_large_graph_is(
    bench: Bench,
    large: Artifact,
    beside: bool,  # noqa: FBT001 - a row of the table
    step: Callable[[], Step],
) -> None:
    result = step().apply(large, bench.context())

    assert set(result.entry) == {file.name for file in result.path.iterdir()}
    assert (files.DATA in result.entry) is beside
    before, after = run(large, {"x": IMAGES})["scores"], run(result, {"x": IMAGES})["scores"]
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.97


def exported(bench: Bench, folder: Path, **asked: Any) -> Artifact:
    context = bench.context(out=folder)
    return Export.model_validate(asked).apply(bench.network("lathe.mlp"), context)


WEIGHTS = {
    "beside the graph": ("Always", 2),
    "in the graph": ("Never", 1),
    "as needed": ("Auto", 1),
}


@pytest.mark.parametrize(("asked", "count"), WEIGHTS.values(), ids=WEIGHTS)
def test_weights_are_exported(bench: Bench, asked: str, count: int) -> None:
    result = exported(bench, bench.folder(), externalData=asked)

    assert len(result.entry) == count
    assert set(result.entry) == {file.name for file in result.path.iterdir()}
    assert run(result, {"x": IMAGES})["output"].shape == (4, 10)


def test_large_weights_cannot_be_in_the_graph(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "INLINE_LIMIT", 2000)

    with pytest.raises(InvalidSpec):
        exported(bench, bench.folder(), externalData="Never")
