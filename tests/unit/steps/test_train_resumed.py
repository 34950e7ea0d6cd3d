"""Training that is killed and goes on: the same weights to the bit as if nothing had happened."""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from lathe_steps.base import Artifact, Context, Step
from lathe_steps.distill import Distill
from lathe_steps.finetune import Finetune
from lathe_steps.quantize_aware import QuantizeAware
from lathe_steps.toolchains.networks.models import architectures, model
from lathe_steps.toolchains.networks.training import saved
from lathe_steps.toolchains.networks.training.course import Trail
from lathe_steps.toolchains.networks.training.recovering import recover
from lathe_steps.toolchains.training import Recovery
from tests.kept_checkpoints import Kept, Killed
from tests.step_runs import Bench, digits

pytestmark = pytest.mark.toolchain

ANY_KILL = settings(
    max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


class Forgetful(nn.Sequential):
    """A model whose training depends on chance."""

    def __init__(self) -> None:
        super().__init__(
            nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 10)
        )


@pytest.fixture(autouse=True)
def _forgetful(monkeypatch: pytest.MonkeyPatch, bench: Bench) -> None:
    monkeypatch.setitem(architectures._OWN, "lathe.forgetful", Forgetful)
    bench.datasets = {"train": digits("train", 0, 160), "early": digits("early", 500, 564)}


def killed_and_resumed(
    apply: Callable[[Context], Artifact], bench: Bench, kill_at: int, artifact: Artifact
) -> Artifact:
    folder = bench.folder()
    with pytest.raises(Killed):
        apply(bench.context(source=artifact, checkpoints=Kept(folder, kill_at=kill_at)))
    resumed = apply(bench.context(source=artifact, checkpoints=Kept(folder)))
    assert not list(folder.rglob("*.p*kl*"))
    return resumed


def same(one: Artifact, other: Artifact) -> bool:
    return (
        one.main.read_bytes() == other.main.read_bytes()
        and one.facts == other.facts
        and one.evidence == other.evidence
    )


EARLY = {"dataset": "early", "patience": 2}
COMMON = {"dataset": "train", "batchSize": 16, "epochs": 4, "learningRate": 0.01}
WAYS: dict[str, Mapping[str, Any]] = {
    "with AdamW": {"checkpointEvery": 7},
    "with SGD": {"checkpointEvery": 7, "optimizer": "SGD"},
    "with a forward pass in 16 bits": {"checkpointEvery": 7, "precision": "BF16"},
    "with batches that grow": {"checkpointEvery": 5, "batchGrowth": {"max": 64}},
    "with early stop, killed between epochs": {"checkpointEvery": 10, "earlyStop": EARLY},
    "with early stop, killed within epochs": {"checkpointEvery": 3, "earlyStop": EARLY},
    "up to maxSteps": {"checkpointEvery": 7, "maxSteps": 32},
}


@pytest.mark.parametrize("asked", WAYS.values(), ids=WAYS)
def test_it_ends_as_an_undisturbed_one_does(bench: Bench, asked: Mapping[str, Any]) -> None:
    step = Finetune.model_validate({**COMMON, **asked})
    artifact = bench.network("lathe.forgetful")
    undisturbed = step.apply(artifact, bench.context())

    for kill_at in (1, 3):
        resumed = killed_and_resumed(lambda c: step.apply(artifact, c), bench, kill_at, artifact)

        assert same(resumed, undisturbed)


@ANY_KILL
@given(kills=st.lists(st.integers(1, 8), min_size=1, max_size=3))
def test_it_may_be_killed_as_often_as_it_likes(bench: Bench, kills: list[int]) -> None:
    step = Finetune.model_validate({**COMMON, "checkpointEvery": 4, "earlyStop": EARLY})
    artifact = bench.network("lathe.forgetful")
    undisturbed = step.apply(artifact, bench.context())
    folder = bench.folder()

    for kill in kills:
        checkpoints = Kept(folder, kill_at=len(list(folder.iterdir())) + kill)
        try:
            step.apply(artifact, bench.context(checkpoints=checkpoints))
        except Killed:
            continue
        break

    resumed = step.apply(artifact, bench.context(checkpoints=Kept(folder)))
    assert same(resumed, undisturbed)


STEPS: dict[str, Step] = {
    "distillation with a student and features": Distill.model_validate(
        {
            **COMMON,
            "checkpointEvery": 6,
            "student": {"architecture": {"ref": "lathe.small_cnn", "args": {"width": 4}}},
            "features": [{"student": "stages.0", "teacher": "stages.0"}],
        }
    ),
    "quantisation-aware training": QuantizeAware.model_validate({**COMMON, "checkpointEvery": 6}),
}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_what_learns_along_is_kept_too(bench: Bench, step: Step) -> None:
    artifact = bench.network(width=8)
    undisturbed = step.apply(artifact, bench.context(source=artifact))

    resumed = killed_and_resumed(lambda c: step.apply(artifact, c), bench, 2, artifact)

    assert same(resumed, undisturbed)
    files = {file.name for file in undisturbed.path.iterdir()}
    for name in files:
        assert (resumed.path / name).read_bytes() == (undisturbed.path / name).read_bytes()


def test_a_training_that_is_not_asked_when_saves_at_the_end_of_the_first_epoch(
    bench: Bench,
) -> None:
    step = Finetune.model_validate(COMMON)
    artifact = bench.network("lathe.forgetful")

    resumed = killed_and_resumed(lambda c: step.apply(artifact, c), bench, 1, artifact)

    assert same(resumed, step.apply(artifact, bench.context()))


def in_rounds(artifact: Artifact, context: Context, rounds: int = 3) -> Artifact:
    """A step that changes the model, recovers, and does both again, as iterative pruning does."""
    recovery = Recovery.model_validate({**COMMON, "epochs": 1, "checkpointEvery": 3})
    found = context.checkpoints.latest()
    network = model.load(replace(artifact, path=found) if found else artifact)
    begun = json.loads((found / "rounds.json").read_text()) if found else 0
    for round_ in range(begun, rounds):
        if not found or round_ > begun:
            with torch.no_grad():
                network.module.get_parameter("1.weight")[round_] = 0
        start = context.out / f"round-{round_}"
        start.mkdir()
        model.save(network, start)
        (start / "rounds.json").write_text(json.dumps(round_))
        part = saved.Part(context.checkpoints, f"recovery-{round_}", saved.copied(start))
        told: Callable[[float, str], None] = context.progress
        recover(network, recovery, context, step="rounds", progress=told, trail=Trail(part))
        shutil.rmtree(start)
    return model.save(network, context.out)


@pytest.mark.parametrize("kill_at", [1, 3, 5, 9])
def test_a_step_that_trains_between_other_things_comes_back_to_the_same_part(
    bench: Bench, kill_at: int
) -> None:
    artifact = bench.network("lathe.forgetful")
    undisturbed = in_rounds(artifact, bench.context(source=artifact))

    resumed = killed_and_resumed(lambda c: in_rounds(artifact, c), bench, kill_at, artifact)

    assert same(resumed, undisturbed)


def test_a_part_does_not_take_what_another_part_has_saved(tmp_path: Path) -> None:
    kept = Kept(tmp_path)
    saved.Part(kept, "first", lambda _: None).save(lambda folder: (folder / "x").touch())

    assert saved.Part(Kept(tmp_path), "second", lambda _: None).latest() is None
    assert saved.Part(Kept(tmp_path), "first", lambda _: None).latest() is not None
