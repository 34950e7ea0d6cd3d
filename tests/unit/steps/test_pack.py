"""Packing: the same bytes again, few of them between, and facts that say where they are."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lathe_steps.base import Artifact, Format
from lathe_steps.cluster import Cluster
from lathe_steps.errors import Internal
from lathe_steps.export import Export
from lathe_steps.pack import Pack
from lathe_steps.quantize import Quantize
from lathe_steps.reasons import Reason
from lathe_steps.sparsify import Sparsify
from lathe_steps.toolchains.archives import container, streams
from lathe_steps.toolchains.graphs import files
from lathe_worker.unpacking import unpack
from tests.step_runs import Bench, digits, run

pytestmark = pytest.mark.toolchain

VAL = digits("val", 500, 564)


def packed(bench: Bench, artifact: Artifact, **asked: Any) -> Artifact:
    return Pack.model_validate(asked).apply(artifact, bench.context())


def restored(bench: Bench, archive: Artifact, form: Format) -> Artifact:
    files = unpack(archive.main, bench.folder())
    named = sorted(files, key=lambda file: file.name != "model.safetensors")
    return Artifact(form, files[0].parent, tuple(file.name for file in named))


def content(artifact: Artifact) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in artifact.path.iterdir()}


def compressed(bench: Bench) -> Artifact:
    """A network of which a tenth is left, in 16 values a layer."""
    made = Sparsify(sparsity=0.9).apply(bench.network("lathe.mlp"), bench.context())
    return Cluster(rounding="FP16").apply(made, bench.context())


def test_a_model_comes_back_and_gives_the_same_scores(bench: Bench) -> None:
    artifact = compressed(bench)

    again = restored(bench, packed(bench, artifact), Format.TORCH)

    assert content(again) == content(artifact)
    scores = [run(each, VAL.inputs)["output"] for each in (artifact, again)]
    assert scores[0].tobytes() == scores[1].tobytes()


def test_sparse_shared_weights_are_packed_thirty_times_smaller(bench: Bench) -> None:
    archive = packed(bench, compressed(bench))

    assert float(archive.facts["ratio"]) > 30
    assert archive.facts["bytes"] == archive.size
    sections = [v for k, v in archive.facts.items() if k.endswith("_bytes")]
    assert sum(map(int, sections)) == archive.size


@pytest.mark.parametrize("codec", ["Huffman", "Zstd"])
def test_weights_that_nothing_was_done_to_get_no_larger(bench: Bench, codec: str) -> None:
    artifact = bench.network(width=8)

    archive = packed(bench, artifact, codec=codec)

    assert archive.size < artifact.size
    assert content(restored(bench, archive, Format.TORCH)) == content(artifact)


def quantised(bench: Bench) -> Artifact:
    graph = Export().apply(bench.network(), bench.context())
    step = Quantize.model_validate({"mode": "Static", "calibration": {"dataset": "calib"}})
    return step.apply(graph, bench.context())


def test_a_quantised_graph_comes_back_as_the_same_file(bench: Bench) -> None:
    graph = quantised(bench)

    archive = packed(bench, graph)

    assert content(restored(bench, archive, Format.ONNX)) == content(graph)
    assert archive.size < 0.95 * graph.size


def test_a_graph_with_its_weights_beside_it_comes_back(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "INLINE_LIMIT", 1)
    folder = bench.folder()
    files.write(onnx.load(str(bench.graph().main)), folder)
    graph = files.artifact(folder)

    archive = packed(bench, graph)

    assert set(content(graph)) == {"model.onnx", "model.onnx.data"}
    assert content(restored(bench, archive, Format.ONNX)) == content(graph)
    assert int(archive.facts["values_bytes"]) > 0


def odd_graph() -> onnx.ModelProto:
    """Tensors in every place and form: constants, a branch, typed fields, four bits, words."""
    few = np.repeat(np.arange(4, dtype=np.float32), 500).reshape(4, 500)
    branch = helper.make_graph(
        [helper.make_node("Constant", [], ["b"], value=numpy_helper.from_array(few, "inner"))],
        "branch",
        [],
        [helper.make_tensor_value_info("b", TensorProto.FLOAT, [4, 500])],
    )
    nodes = [
        helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(few)),
        helper.make_node("If", ["yes"], ["d"], then_branch=branch, else_branch=branch),
    ]
    weights = [
        helper.make_tensor("typed", TensorProto.FLOAT, [2000], few.ravel().tolist()),
        helper.make_tensor("doubles", TensorProto.DOUBLE, [2000], few.ravel().tolist()),
        helper.make_tensor("nibbles", TensorProto.INT4, [2000], [1] * 2000),
        TensorProto(name="words", data_type=TensorProto.STRING, dims=[2], string_data=[b"a", b"b"]),
        helper.make_tensor("scalar", TensorProto.INT64, [], [7]),
        helper.make_tensor("halves", TensorProto.BFLOAT16, [2000], [1.0] * 2000),
        numpy_helper.from_array(few.astype(np.complex64), "pairs"),
        numpy_helper.from_array(np.zeros((0, 3), np.float32), "empty"),
    ]
    yes = [helper.make_tensor_value_info("yes", TensorProto.BOOL, [])]
    return helper.make_model(helper.make_graph(nodes, "odd", yes, branch.output, weights))


@pytest.mark.parametrize("codec", ["Huffman", "Zstd"])
def test_tensors_in_every_place_and_form_come_back(bench: Bench, codec: str) -> None:
    folder = bench.folder()
    (folder / "model.onnx").write_bytes(odd_graph().SerializeToString())
    graph = Artifact(Format.ONNX, folder, ("model.onnx",))

    archive = packed(bench, graph, codec=codec)

    assert content(restored(bench, archive, Format.ONNX)) == content(graph)
    assert float(archive.facts["ratio"]) > 10


def test_an_archive_that_would_not_give_back_every_bit_is_not_published(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = streams.written

    def wrong(symbols: np.ndarray, codec: streams.Codec) -> bytes:
        return honest(symbols ^ 1, codec)

    monkeypatch.setattr("lathe_steps.toolchains.archives.streams.written", wrong)

    with pytest.raises(Internal) as refusal:
        packed(bench, bench.network(width=8))

    assert refusal.value.reason is Reason.CONVERSION_MISMATCH


def test_the_archive_is_one_file(bench: Bench) -> None:
    archive = packed(bench, bench.network(width=8))

    assert [file.name for file in Path(archive.path).iterdir()] == [container.NAME]
    assert (archive.format, archive.entry) == (Format.ARCHIVE, (container.NAME,))
