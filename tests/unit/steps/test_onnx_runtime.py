"""Running ONNX models, and timing them."""

import itertools

import numpy as np
import pytest

from lathe_steps.base import Artifact, Format
from lathe_steps.errors import Internal
from lathe_steps.reasons import Reason
from lathe_steps.toolchains.onnx_runtime import Session
from lathe_steps.toolchains.timing import Plan, interleaved, interleaved_latencies
from tests.step_runs import Bench, X

pytestmark = pytest.mark.toolchain

ONE = {"x": np.ones((1, 1, 8, 8), np.float32)}


def test_a_session_says_what_it_takes_and_gives(bench: Bench) -> None:
    session = Session(bench.graph(), threads=1)

    assert session.inputs == (X,)
    assert [(spec.name, spec.shape) for spec in session.outputs] == [("scores", ("batch", 10))]


def test_inputs_are_cast(bench: Bench) -> None:
    session = Session(bench.graph(), threads=1)

    found = session.run({"x": ONE["x"].astype(np.uint8)})["scores"]

    assert np.array_equal(found, session.run(ONE)["scores"])


def test_what_cannot_be_loaded_is_unsupported(bench: Bench) -> None:
    folder = bench.folder()
    (folder / "model.onnx").write_bytes(b"nothing of this kind")

    with pytest.raises(Internal) as refusal:
        Session(Artifact(Format.ONNX, folder, ("model.onnx",)), threads=1)

    assert refusal.value.reason is Reason.UNSUPPORTED_MODEL


def test_a_call_of_another_shape_fails(bench: Bench) -> None:
    session = Session(bench.graph(), threads=1)

    with pytest.raises(Internal):
        session.run({"x": np.ones((1, 2, 8, 8), np.float32)})


def test_models_are_timed_equally_often(bench: Bench) -> None:
    models = {"one": bench.graph(), "other": bench.graph(size=8)}

    taken = interleaved_latencies(models, ONE, threads=1, seconds=0, least=10)

    assert set(taken) == {"one", "other"}
    assert len(taken["one"]) == len(taken["other"]) >= 10


def test_times_are_milliseconds_of_the_clock(bench: Bench) -> None:
    ticks, half_ticks = itertools.count(), itertools.count()

    taken = interleaved(
        {"one": bench.graph()},
        ONE,
        Plan(threads=1, seconds=0, least=3),
        clocks=(lambda: next(ticks), lambda: next(half_ticks) / 2),
    )

    assert (set(taken["one"].wall), set(taken["one"].cpu)) == ({1000.0}, {500.0})
