"""Weight sharing: how many values, which, and that they stay shared."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lathe_steps.base import Artifact
from lathe_steps.cluster import Cluster
from lathe_steps.errors import Internal, InvalidSpec
from lathe_steps.finetune import Finetune
from lathe_steps.sparsify import Sparsify
from lathe_steps.toolchains import kmeans
from lathe_steps.toolchains.networks.models import model
from tests.step_runs import Bench, accuracy, digits
from tests.unit.steps.test_sparsify import Killed, Shelf, weights

pytestmark = pytest.mark.toolchain

VAL = digits("val", 500, 900)
RECOVERY = {"dataset": "train", "epochs": 2, "learningRate": 0.003, "alpha": 0}


def clustered(bench: Bench, artifact: Artifact | None = None, **asked: Any) -> Artifact:
    step = Cluster.model_validate({"clusters": 8} | asked)
    return step.apply(artifact or bench.network(width=8), bench.context())


def counts(artifact: Artifact) -> set[int]:
    """How many values the tensors have."""
    return {len(np.unique(tensor.numpy())) for tensor in weights(artifact).values()}


def values(artifact: Artifact) -> np.ndarray:
    """The values that all tensors have together."""
    return np.unique(np.concatenate([t.numpy().ravel() for t in weights(artifact).values()]))


INITS: tuple[kmeans.Init, ...] = ("Linear", "Density", "KMeansPlusPlus")


@pytest.mark.parametrize("init", INITS)
def test_each_tensor_has_so_many_values(bench: Bench, init: str) -> None:
    made = clustered(bench, init=init)

    assert max(counts(made)) == int(made.facts["most_values"]) <= 8
    assert float(made.facts["relative_error"]) < 0.25
    assert set(model.load(made).constraints.shared) == set(weights(made))


def test_all_tensors_can_share_one_set(bench: Bench) -> None:
    made = clustered(bench, perLayer=False)

    every = values(made)
    assert 4 < len(every) <= 8
    assert made.facts["codebooks"] == 1
    assert set(model.load(made).constraints.pooled) == set(weights(made))


def sparse(bench: Bench) -> Artifact:
    return Sparsify(sparsity=0.7).apply(bench.network(width=8), bench.context())


def test_zeros_stay_and_cost_no_cluster(bench: Bench) -> None:
    artifact = sparse(bench)

    made = clustered(bench, artifact, recovery=RECOVERY)

    before, after = weights(artifact), weights(made)
    assert all(torch.equal(tensor == 0, after[name] == 0) for name, tensor in before.items())
    assert max(counts(made)) == 9


def test_zeros_are_weights_like_others_when_they_need_not_stay(bench: Bench) -> None:
    made = clustered(bench, sparse(bench), preserveZeros=False, recovery=RECOVERY)

    assert max(counts(made)) <= 8
    assert model.load(made).constraints.zeros == ()


@pytest.mark.parametrize("per_layer", [True, False], ids=["each tensor", "all tensors"])
def test_later_training_moves_values_and_keeps_them_shared(
    bench: Bench, *, per_layer: bool
) -> None:
    made = clustered(bench, perLayer=per_layer)

    trained = Finetune(dataset="train", learning_rate=0.01).apply(made, bench.context())

    assert counts(trained) == counts(made)
    assert values(trained).tolist() != values(made).tolist()
    assert per_layer or len(values(trained)) == len(values(made))


def test_training_the_values_brings_quality_back(bench: Bench) -> None:
    trained = Finetune(dataset="train", epochs=4, learning_rate=0.01)
    artifact = trained.apply(bench.network(width=8), bench.context())

    bare, recovered = (
        clustered(bench, artifact, clusters=2, **more) for more in ({}, {"recovery": RECOVERY})
    )

    assert accuracy(recovered, VAL) > accuracy(bare, VAL)
    assert max(counts(recovered)) <= 2


def test_values_are_rounded_to_what_16_bits_hold(bench: Bench) -> None:
    made = clustered(bench, rounding="FP16", recovery=RECOVERY)

    state = model.load(made).module.state_dict()
    parameters = {name for name, _ in model.load(made).module.named_parameters()}
    exact = {name for name, t in state.items() if torch.equal(t.half().to(t.dtype), t)}
    assert parameters <= exact
    assert not set(state) <= exact


def test_a_layer_can_be_left_alone(bench: Bench) -> None:
    artifact = bench.network(width=8)

    made = weights(clustered(bench, artifact, ignore=["classifier"]))

    assert torch.equal(made["classifier.weight"], weights(artifact)["classifier.weight"])


def test_a_killed_attempt_has_not_to_look_for_values_again(bench: Bench) -> None:
    artifact, step = bench.network(width=8), Cluster(clusters=8)
    root = bench.folder()

    with pytest.raises(Killed):
        step.apply(artifact, bench.context(checkpoints=Shelf(root, most=1)))
    resumed = step.apply(artifact, bench.context(checkpoints=Shelf(root)))

    assert len(list(root.iterdir())) == 1
    straight = step.apply(artifact, bench.context())
    assert resumed.main.read_bytes() == straight.main.read_bytes()
    assert resumed.facts == straight.facts


def test_a_killed_training_of_the_values_goes_on(bench: Bench) -> None:
    artifact = sparse(bench)
    recovery = {**RECOVERY, "epochs": 1, "batchSize": 128, "checkpointEvery": 2}
    step = Cluster.model_validate({"clusters": 8, "rounding": "FP16", "recovery": recovery})
    root = bench.folder()

    with pytest.raises(Killed):
        step.apply(artifact, bench.context(checkpoints=Shelf(root, most=2)))
    resumed = step.apply(artifact, bench.context(checkpoints=Shelf(root)))

    straight = step.apply(artifact, bench.context())
    assert resumed.main.read_bytes() == straight.main.read_bytes()
    assert resumed.evidence == straight.evidence


def spoilt(bench: Bench, value: float) -> Artifact:
    """A network with one odd number in its classifier."""
    network = model.load(bench.network(width=8))
    with torch.no_grad():
        network.module.get_parameter("classifier.weight")[0, 0] = value
    return model.save(network, bench.folder())


def test_weights_that_are_no_numbers_are_refused_by_name(bench: Bench) -> None:
    with pytest.raises(Internal, match=r"classifier\.weight"):
        clustered(bench, spoilt(bench, float("nan")))


def test_a_value_that_16_bits_do_not_hold_is_refused_by_name(bench: Bench) -> None:
    with pytest.raises(InvalidSpec, match=r"classifier\.weight"):
        clustered(bench, spoilt(bench, 1e6), rounding="FP16")


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=60),
    count=st.integers(2, 9),
    init=st.sampled_from(INITS),
)
def test_no_value_is_nearer_to_another_centroid(
    values: list[float], count: int, init: kmeans.Init
) -> None:
    array = np.array(values, np.float32)

    found = kmeans.centroids(array, count, init, seed=0)

    assert 1 <= len(found) <= count
    near = kmeans.nearest(array, found).astype(np.float64)
    distances = np.abs(array[:, None].astype(np.float64) - found)
    assert np.allclose(np.abs(array - near), distances.min(1), rtol=1e-6, atol=1e-6)


def test_values_that_are_few_are_kept() -> None:
    array = np.array([1, 2, 5, 5, 2, 1], np.float32)

    assert kmeans.centroids(array, 8, "KMeansPlusPlus", seed=0).tolist() == [1, 2, 5]


def test_it_comes_close_to_the_best_there_is() -> None:
    values = np.random.default_rng(0).normal(size=5000).astype(np.float32)

    error = [
        np.square(values - kmeans.nearest(values, kmeans.centroids(values, 16, init, 0))).mean()
        for init in INITS
    ]

    assert max(error) < 1.05 * 0.009497  # what Lloyd and Max found for the normal distribution
