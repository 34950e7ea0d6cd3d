"""Lathe's own architectures."""

import numpy as np
import pytest

from lathe_steps.base import TensorSpec
from lathe_steps.errors import InvalidSpec
from lathe_steps.export import Export
from lathe_steps.toolchains.networks.models import architectures
from tests.step_runs import Bench, run

pytestmark = pytest.mark.toolchain

SMALL = {"vocabulary": 50, "dim": 32, "layers": 2, "heads": 4, "length": 16, "num_classes": 5}
ANSWERS = {
    "for each sequence": ((3, 5), {"per_token": False}),
    "for each token": ((3, 12, 5), {"per_token": True}),
}


@pytest.mark.parametrize(("expected", "args"), ANSWERS.values(), ids=ANSWERS)
def test_an_encoder_answers_alike_in_torch_and_onnx(
    bench: Bench, expected: tuple[int, ...], args: dict[str, bool]
) -> None:
    bench.inputs = (TensorSpec("tokens", "int64", ("batch", "length")),)
    encoder = bench.network("lathe.small_encoder", **SMALL, **args)
    sequences = {"tokens": np.random.default_rng(0).integers(0, 50, (3, 12))}

    scores = run(encoder, sequences)["output"]

    assert scores.shape == expected
    exported = run(Export().apply(encoder, bench.context()), sequences)["output"]
    assert np.allclose(exported, scores, atol=1e-4)


def test_the_order_of_tokens_matters(bench: Bench) -> None:
    bench.inputs = (TensorSpec("tokens", "int64", ("batch", 4)),)
    encoder = bench.network("lathe.small_encoder", **SMALL)

    there, back = (
        run(encoder, {"tokens": np.array([order])})["output"]
        for order in ([1, 2, 3, 4], [4, 3, 2, 1])
    )

    assert not np.allclose(there, back, atol=1e-5)


def test_heads_share_the_channels_evenly() -> None:
    with pytest.raises(InvalidSpec):
        architectures.build("lathe.small_encoder", {"dim": 30, "heads": 4})
