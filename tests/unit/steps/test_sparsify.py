"""Sparsity: how many zeros, where, in which passes, and that they stay."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from lathe_steps.base import Artifact, TensorSpec
from lathe_steps.errors import InvalidSpec
from lathe_steps.evidence import Curve
from lathe_steps.finetune import Finetune
from lathe_steps.sparsify import Sparsify
from lathe_steps.toolchains.networks.models import architectures, model
from tests.step_runs import Bench, accuracy, digits

pytestmark = pytest.mark.toolchain

VAL = digits("val", 500, 900)
RECOVERY = {"dataset": "train", "epochs": 2, "learningRate": 0.01, "alpha": 0}


def sparse(bench: Bench, artifact: Artifact | None = None, **asked: Any) -> Artifact:
    step = Sparsify.model_validate({"sparsity": 0.8} | asked)
    return step.apply(artifact or bench.network(width=8), bench.context())


def weights(artifact: Artifact) -> dict[str, torch.Tensor]:
    """Weights of convolutions and linear layers."""
    module = model.load(artifact).module
    return {
        f"{name}.weight": layer.weight.detach()
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Conv2d | nn.Linear)
    }


def zeros(tensors: dict[str, torch.Tensor]) -> float:
    flat = torch.cat([tensor.flatten() for tensor in tensors.values()])
    return float((flat == 0).float().mean())


WAYS: dict[str, dict[str, Any]] = {
    "the smallest of the whole model": {},
    "the smallest of each tensor": {"scope": "Local"},
    "by chance": {"method": "Random"},
    "in three passes": {"passes": 3},
    "in three even passes": {"passes": 3, "schedule": "Linear"},
    "at once": {"schedule": "OneShot"},
}


@pytest.mark.parametrize("asked", WAYS.values(), ids=WAYS)
def test_as_many_weights_are_zero_as_asked_for(bench: Bench, asked: dict[str, Any]) -> None:
    made = sparse(bench, **asked)

    assert zeros(weights(made)) == pytest.approx(0.8, abs=2e-3)
    assert float(made.facts["sparsity"]) == pytest.approx(zeros(weights(made)), abs=1e-5)
    assert set(model.load(made).constraints.zeros) == set(weights(made))


def test_none_of_them_changes_nothing(bench: Bench) -> None:
    artifact = bench.network(width=8)

    assert sparse(bench, artifact, sparsity=0).main.read_bytes() == artifact.main.read_bytes()


def test_the_smallest_go_and_the_others_stay_as_they_were(bench: Bench) -> None:
    artifact = bench.network(width=8)

    before, after = weights(artifact), weights(sparse(bench, artifact))

    flat = torch.cat([tensor.flatten() for tensor in before.values()])
    left = torch.cat([tensor.flatten() for tensor in after.values()])
    assert flat[left == 0].abs().max() <= flat[left != 0].abs().min()
    assert torch.equal(flat[left != 0], left[left != 0])


def test_each_tensor_has_its_share_in_the_local_scope(bench: Bench) -> None:
    made = weights(sparse(bench, scope="Local"))

    assert {round(zeros({"": tensor}), 1) for tensor in made.values()} == {0.8}


def test_biases_and_normalisations_stay_as_they_were(bench: Bench) -> None:
    artifact = bench.network(width=8)

    before, after = (
        {n: t for n, t in model.load(a).module.state_dict().items() if n not in weights(artifact)}
        for a in (artifact, sparse(bench, artifact))
    )

    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


def test_two_of_four_are_left_everywhere(bench: Bench) -> None:
    made = sparse(bench, sparsity=None, pattern={"keep": 2, "of": 4}, ignore=["stem"])

    for name, tensor in weights(made).items():
        if not name.startswith("stem"):
            groups = tensor.movedim(1, -1).reshape(-1, 4)
            assert set((groups != 0).sum(1).tolist()) == {2}


def test_passes_take_most_at_first(bench: Bench) -> None:
    (curve,) = sparse(bench, passes=4).evidence

    assert isinstance(curve, Curve)
    shares = [share for _, share in curve.points]
    steps = [b - a for a, b in itertools.pairwise(shares)]
    assert steps == sorted(steps, reverse=True)
    assert shares[-1] == pytest.approx(0.8)


def test_zeros_stay_through_later_training(bench: Bench) -> None:
    made = sparse(bench)

    trained = Finetune(dataset="train", learning_rate=0.01).apply(made, bench.context())

    before, after = weights(made), weights(trained)
    assert all(torch.equal(tensor == 0, after[name] == 0) for name, tensor in before.items())
    assert not torch.equal(before["classifier.weight"], after["classifier.weight"])


def test_recovery_brings_quality_back(bench: Bench) -> None:
    trained = Finetune(dataset="train", epochs=4, learning_rate=0.01)
    artifact = trained.apply(bench.network(width=8), bench.context())

    bare = sparse(bench, artifact, sparsity=0.9)
    recovered = sparse(bench, artifact, sparsity=0.9, passes=2, recovery=RECOVERY)

    assert accuracy(recovered, VAL) > accuracy(bare, VAL) + 0.1
    assert zeros(weights(recovered)) == pytest.approx(0.9, abs=2e-3)


class Killed(Exception):  # noqa: N818 - named by what happened
    """The process is gone."""


class Shelf:
    """Keeps checkpoints in a folder, and ends the process after some of them."""

    def __init__(self, root: Path, most: int | None = None) -> None:
        self.root, self.most = root, most

    def latest(self) -> Path | None:
        return max(self.root.iterdir(), default=None)

    def save(self, write: Callable[[Path], None]) -> None:
        folder = self.root / str(len(list(self.root.iterdir())))
        folder.mkdir()
        write(folder)
        if self.most is not None and int(folder.name) + 1 >= self.most:
            raise Killed


def test_a_killed_attempt_goes_on_after_its_last_pass(bench: Bench) -> None:
    artifact, step = bench.network(width=8), Sparsify(sparsity=0.8, passes=3)
    root = bench.folder()

    with pytest.raises(Killed):
        step.apply(artifact, bench.context(checkpoints=Shelf(root, most=2)))
    resumed = step.apply(artifact, bench.context(checkpoints=Shelf(root)))

    assert json.loads((root / "1" / "state.json").read_text())["passes"] == 2
    assert len(list(root.iterdir())) == 3
    straight = step.apply(artifact, bench.context())
    assert resumed.main.read_bytes() == straight.main.read_bytes()
    assert resumed.facts == straight.facts


@pytest.mark.parametrize("saves", [2, 4], ids=["in the first pass", "in the second pass"])
def test_a_killed_training_goes_on_in_the_middle(bench: Bench, saves: int) -> None:
    artifact = bench.network(width=8)
    recovery = {**RECOVERY, "epochs": 1, "batchSize": 128, "checkpointEvery": 2}
    step = Sparsify.model_validate({"sparsity": 0.8, "passes": 2, "recovery": recovery})
    root = bench.folder()

    with pytest.raises(Killed):
        step.apply(artifact, bench.context(source=artifact, checkpoints=Shelf(root, most=saves)))
    resumed = step.apply(artifact, bench.context(source=artifact, checkpoints=Shelf(root)))

    straight = step.apply(artifact, bench.context(source=artifact))
    assert resumed.main.read_bytes() == straight.main.read_bytes()


def test_the_same_seed_removes_the_same_weights_by_chance(bench: Bench) -> None:
    artifact, step = bench.network(width=8), Sparsify(sparsity=0.5, method="Random")

    made = [step.apply(artifact, bench.context(seed=seed)).main.read_bytes() for seed in (1, 1, 2)]

    assert made[0] == made[1] != made[2]


REFUSED: dict[str, dict[str, Any]] = {
    "a share at which a layer is left with nothing": {"sparsity": 0.9999, "scope": "Local"},
    "a pattern of ignore that matches nothing": {"ignore": ["layer9.*"]},
    "a model of which everything is ignored": {"ignore": ["*"]},
    "groups that inputs do not divide into": {"sparsity": None, "pattern": {"keep": 2, "of": 4}},
}


@pytest.mark.parametrize("asked", REFUSED.values(), ids=REFUSED)
def test_it_refuses(bench: Bench, asked: dict[str, Any]) -> None:
    with pytest.raises(InvalidSpec):
        sparse(bench, **asked)


@pytest.mark.parametrize(
    "asked", [{}, {"sparsity": 0.5, "pattern": {"keep": 1, "of": 2}}], ids=["neither", "both"]
)
def test_a_share_or_a_pattern_is_asked_for(asked: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Sparsify.model_validate(asked)


class Mixed(nn.Module):
    """An embedding whose weight is the classifier's too, attention, and a recurrent layer."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(32, 16)
        self.attention = nn.MultiheadAttention(16, 2, batch_first=True)
        self.recurrent = nn.GRU(16, 16, batch_first=True)
        self.scores = nn.Linear(16, 32, bias=False)
        self.scores.weight = self.words.weight

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        x = self.words(tokens)
        x, _ = self.recurrent(self.attention(x, x, x)[0])
        return self.scores(x)  # type: ignore[no-any-return]


def test_embeddings_attention_and_recurrent_layers(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(architectures._OWN, "lathe.mixed", Mixed)
    bench.inputs = (TensorSpec("tokens", "int64", ("n", 5)),)

    made = sparse(bench, bench.network("lathe.mixed"), scope="Local")

    loaded: Any = model.load(made).module
    for weight in (
        loaded.words.weight,
        loaded.scores.weight,
        loaded.attention.in_proj_weight,
        loaded.recurrent.weight_hh_l0,
    ):
        assert float((weight == 0).float().mean()) == pytest.approx(0.8, abs=0.01)


def test_what_only_training_uses_does_not_count(bench: Bench) -> None:
    bench.inputs = (TensorSpec("x", "float32", ("batch", 3, 64, 64)),)
    artifact = bench.network("torchvision.googlenet", num_classes=10, aux_logits=True)

    made = sparse(bench, artifact)

    assert not any(name.startswith("aux") for name in model.load(made).constraints.zeros)
    assert zeros(weights(made)) == pytest.approx(0.8, abs=1e-3)
