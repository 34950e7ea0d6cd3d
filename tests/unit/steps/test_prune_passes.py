"""Pruning in passes: recovery between them, undoing, latency, and going on after a kill."""

from typing import Any

import pytest

from lathe_steps.base import Artifact, Runtime
from lathe_steps.errors import InvalidSpec
from lathe_steps.evidence import Candidates
from lathe_steps.finetune import Finetune
from lathe_steps.prune import Prune
from tests.kept_checkpoints import Kept, Killed
from tests.step_runs import Bench, Samples, accuracy

pytestmark = pytest.mark.toolchain

RECOVERY = {"dataset": "train", "epochs": 2, "batchSize": 32, "learningRate": 5e-3}


@pytest.fixture
def taught(bench: Bench) -> Artifact:
    """A network that knows the digits."""
    course = {"dataset": "train", "epochs": 6, "batchSize": 32, "learningRate": 5e-3}
    network = bench.network("lathe.small_cnn", width=16)
    return Finetune.model_validate(course).apply(network, bench.context())


def pruned(bench: Bench, artifact: Artifact, kept: Kept | None = None, **asked: Any) -> Artifact:
    context = bench.context(source=artifact)
    if kept is not None:
        context = bench.context(source=artifact, checkpoints=kept)
    return Prune.model_validate({"target": {"params": 0.3}, **asked}).apply(artifact, context)


def val(bench: Bench) -> Samples:
    found = bench.datasets["val"]
    assert isinstance(found, Samples)
    return found


def test_recovery_between_passes_keeps_quality(bench: Bench, taught: Artifact) -> None:
    bare = pruned(bench, taught, iterations=3)
    recovered = pruned(bench, taught, iterations=3, recovery=RECOVERY)

    assert bare.facts["params"] == recovered.facts["params"]
    assert recovered.facts["passes"] == 3
    assert accuracy(bare, val(bench)) + 0.2 < accuracy(recovered, val(bench))


def test_a_pass_that_costs_too_much_is_undone(bench: Bench, taught: Artifact) -> None:
    found = pruned(
        bench,
        taught,
        target={"params": 0.02},
        iterations=8,
        roundTo=1,
        recovery={**RECOVERY, "epochs": 1},
        accuracy={"dataset": "val", "maxDrop": 0.25},
    )

    assert 0 < int(found.facts["passes"]) < 8
    before = accuracy(taught, val(bench))
    assert accuracy(found, val(bench)) == pytest.approx(float(found.facts["quality"]))
    assert before - 0.25 <= accuracy(found, val(bench))
    assert found.facts["quality_before"] == pytest.approx(before)
    (tried,) = found.evidence
    assert isinstance(tried, Candidates)
    assert (tried.metric, tried.chosen) == ("Top1", len(tried.considered) - 2)
    assert before - tried.considered[-1].quality > 0.25


def test_when_no_pass_is_good_enough_the_model_stays_as_it_is(
    bench: Bench, taught: Artifact
) -> None:
    found = pruned(
        bench, taught, target={"params": 0.01}, roundTo=1, accuracy={"dataset": "val", "maxDrop": 0}
    )

    assert found.facts["passes"] == 0
    assert found.main.read_bytes() == taught.main.read_bytes()


KILLS = {
    "after the first pass": ({}, 1),
    "after the second pass": ({}, 2),
    "in the training of the second pass": ({"recovery": {**RECOVERY, "checkpointEvery": 5}}, 8),
    "in a training that may be undone": (
        {
            "recovery": {**RECOVERY, "checkpointEvery": 5},
            "accuracy": {"dataset": "val", "maxDrop": 0.5},
        },
        8,
    ),
    "before a pass that is undone": (
        {"iterations": 6, "target": {"params": 0.02}, "accuracy": {"dataset": "val"}},
        1,
    ),
}


@pytest.mark.parametrize(("asked", "kill_at"), KILLS.values(), ids=KILLS)
def test_a_killed_pruning_goes_on_as_if_nothing_had_happened(
    bench: Bench, taught: Artifact, asked: dict[str, Any], kill_at: int
) -> None:
    asked = {"iterations": 3, "roundTo": 2, "importance": "Random", **asked}
    folder = bench.folder()
    with pytest.raises(Killed):
        pruned(bench, taught, Kept(folder, kill_at=kill_at), **asked)

    resumed = pruned(bench, taught, Kept(folder), **asked)

    whole = pruned(bench, taught, **asked)
    assert resumed.main.read_bytes() == whole.main.read_bytes()
    assert (resumed.facts, resumed.evidence) == (whole.facts, whole.evidence)


def test_no_finished_pass_is_done_again(
    bench: Bench, taught: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lathe_steps.toolchains.networks.pruning import pruning

    folder, removals = bench.folder(), []
    honest = pruning.remove

    def counted(*args: Any, **kwargs: Any) -> None:
        removals.append(1)
        honest(*args, **kwargs)

    monkeypatch.setattr(pruning, "remove", counted)
    with pytest.raises(Killed):
        pruned(bench, taught, Kept(folder, kill_at=2), iterations=3)

    pruned(bench, taught, Kept(folder), iterations=3)

    assert len(removals) == 3


def test_a_share_of_the_latency_is_left(bench: Bench) -> None:
    wide = bench.network("lathe.mlp", hidden=[2048])

    fast = pruned(bench, wide, target={"latency": 0.5})

    share = float(fast.facts["latency_ms"]) / float(fast.facts["latency_ms_before"])
    assert share == pytest.approx(fast.facts["latency_share"])
    assert share < 0.7  # measured anew, beside other load
    (search,) = fast.evidence
    assert isinstance(search, Candidates)
    assert len(search.considered) <= 6
    chosen = search.considered[search.chosen]
    assert chosen.latency is not None
    assert float(fast.facts["params"]) / float(fast.facts["params_before"]) <= chosen.quality


def test_a_latency_that_cannot_be_reached_is_refused(bench: Bench) -> None:
    wide = bench.network("lathe.mlp", hidden=[256])

    with pytest.raises(InvalidSpec):
        pruned(bench, wide, target={"latency": 0.01}, roundTo=128)


def test_latency_is_that_of_a_runtime_that_is_a_target() -> None:
    step = Prune.model_validate({"target": {"latency": 0.5}})

    step.require((Runtime("TensorRT"), Runtime("ONNXRuntime")))
    with pytest.raises(InvalidSpec):
        step.require((Runtime("TensorRT"),))


def test_it_names_the_data_sets_that_it_needs() -> None:
    step = Prune.model_validate(
        {
            "target": {"params": 0.5},
            "importance": "Taylor",
            "data": {"dataset": "some"},
            "recovery": {"dataset": "train"},
            "accuracy": {"dataset": "dev"},
        }
    )

    assert set(step.dataset_names()) == {"some", "train", "dev"}
    assert step.labelled_datasets() == ("train",)
    assert Prune.model_validate({"target": {"params": 0.5}}).dataset_names() == ()
