"""Engines, built for real by TensorRT-RTX, which needs no GPU for that."""

from pathlib import Path
from typing import Any

import pytest

from lathe_steps.base import Artifact, Format, Runtime, TensorSpec
from lathe_steps.build_engine import BuildEngine
from lathe_steps.convert_precision import ConvertPrecision
from lathe_steps.errors import Internal, InvalidSpec
from lathe_steps.export import Export
from lathe_steps.fuse import Fuse
from lathe_steps.prune import Prune
from lathe_steps.quantize import Quantize
from lathe_steps.reasons import Reason
from tests.step_runs import Bench, digits

pytest.importorskip("tensorrt_rtx")
pytestmark = pytest.mark.toolchain

ADA_AND_AMPERE = ("8.6", "8.9")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(
        tmp_path,
        datasets={"calib": digits("calib", 0, 64, labels=False)},
        runtime=Runtime("TensorRTRTX"),
    )


def pruned(bench: Bench) -> Artifact:
    """A small network, halved, folded and exported."""
    artifact = bench.network()
    for step in (Prune.model_validate({"target": {"params": 0.5}}), Fuse(), Export()):
        artifact = step.apply(artifact, bench.context())
    return artifact


def built(bench: Bench, graph: Artifact, **asked: Any) -> Artifact:
    step = BuildEngine.model_validate({"computeCapabilities": ADA_AND_AMPERE, **asked})
    return step.apply(graph, bench.context())


def test_a_pruned_network_in_half_precision(bench: Bench) -> None:
    graph = ConvertPrecision().apply(pruned(bench), bench.context())

    engine = built(bench, graph)

    assert engine.format is Format.ENGINE
    assert [file.name for file in engine.path.iterdir()] == ["model.engine"]
    assert engine.size > 10_000
    assert engine.facts["compute_capability"] == "8.6, 8.9"
    assert engine.facts["tensorrt_version"]
    assert bench.told[-1][0] == 1


def test_half_precision_makes_a_smaller_engine(bench: Bench) -> None:
    graph = pruned(bench)
    half = ConvertPrecision().apply(graph, bench.context())

    assert built(bench, half).size < built(bench, graph).size


def test_a_quantised_network(bench: Bench) -> None:
    graph = Quantize.model_validate(
        {"mode": "Static", "calibration": {"dataset": "calib", "samples": 32}}
    ).apply(pruned(bench), bench.context())

    assert built(bench, graph).size > 10_000


@pytest.mark.parametrize("bits", [4, 8])
def test_weights_of_few_bits_make_a_smaller_engine(bench: Bench, bits: int) -> None:
    graph = Export().apply(bench.network("lathe.mlp", hidden=(1024, 1024)), bench.context())
    step = Quantize.model_validate({"mode": "WeightOnly", "bits": bits})

    small = step.apply(graph, bench.context())

    assert built(bench, small).size < 0.8 * built(bench, graph).size


def test_bfloat16(bench: Bench) -> None:
    graph = ConvertPrecision(dtype="BF16").apply(pruned(bench), bench.context())

    assert built(bench, graph).size > 10_000


def test_shapes_of_the_users_choice(bench: Bench) -> None:
    shape = {"min": [1, 1, 8, 8], "opt": [2, 1, 8, 8], "max": [4, 1, 8, 8]}

    engine = built(bench, bench.graph(), profiles=[{"x": shape}], workspace="64Mi")

    assert engine.size > 1000


def test_a_network_without_dynamic_axes(bench: Bench) -> None:
    bench.inputs = (TensorSpec("x", "float32", (1, 1, 8, 8)),)

    assert built(bench, bench.graph(batch=1)).size > 1000


def test_without_capabilities_the_library_builds_for_what_it_wants(bench: Bench) -> None:
    engine = built(bench, bench.graph(), computeCapabilities=[])

    assert "compute_capability" not in engine.facts


REFUSED: dict[str, dict[str, Any]] = {
    "a GPU that it does not know": {"computeCapabilities": ["9.0"]},
    "shapes of an input that there is not": {
        "profiles": [{"y": {"min": [1], "opt": [1], "max": [1]}}]
    },
    "shapes of another rank": {"profiles": [{"x": {"min": [1], "opt": [1], "max": [1]}}]},
}


@pytest.mark.parametrize("asked", REFUSED.values(), ids=REFUSED)
def test_it_refuses(bench: Bench, asked: dict[str, Any]) -> None:
    with pytest.raises(InvalidSpec):
        built(bench, bench.graph(), **asked)


def test_a_graph_that_it_does_not_take_names_the_node(bench: Bench) -> None:
    graph = Quantize.model_validate(
        {"mode": "Static", "calibration": {"dataset": "calib", "samples": 8}}
    ).apply(bench.graph(), bench.context(runtimes=(Runtime("ONNXRuntime"),)))

    with pytest.raises(Internal) as refusal:
        built(bench, graph)

    assert refusal.value.reason is Reason.UNSUPPORTED_MODEL
    assert "first" in refusal.value.message
    assert "\n" not in refusal.value.message
