"""Distillation: learning from the input model, by the model itself or by another student."""

from typing import Any

import pytest
import torch
from torch import nn

from lathe_steps.base import Artifact
from lathe_steps.distill import Distill
from lathe_steps.errors import InvalidSpec
from lathe_steps.export import Export
from lathe_steps.finetune import Finetune
from lathe_steps.prune import Prune
from lathe_steps.reasons import Reason
from lathe_steps.toolchains.networks.models import architectures, model, students
from lathe_steps.toolchains.networks.training import features
from tests.step_runs import Bench, accuracy, digits

pytestmark = pytest.mark.toolchain

VAL = digits("val", 500, 900)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    bench = Bench(tmp_path_factory.mktemp("teacher"), datasets={"train": digits("train", 0, 400)})
    step = Finetune(dataset="train", epochs=5, batch_size=16, learning_rate=0.01)
    return step.apply(bench.network(width=8), bench.context())


def distilled(
    bench: Bench, teacher: Artifact, given: Artifact | None = None, **asked: Any
) -> Artifact:
    step = Distill.model_validate(
        {"dataset": "train", "batchSize": 16, "learningRate": 0.01, **asked}
    )
    return step.apply(given or teacher, bench.context(source=teacher))


def student(ref: str = "lathe.small_cnn", **args: Any) -> dict[str, Any]:
    return {"student": {"architecture": {"ref": ref, "args": args}}}


def test_it_recovers_a_pruned_model_without_labels(bench: Bench, teacher: Artifact) -> None:
    pruned = Prune.model_validate({"target": {"params": 0.6}, "roundTo": 2}).apply(
        teacher, bench.context()
    )
    bench.datasets = {"train": digits("train", 0, 400, labels=False)}

    recovered = distilled(bench, teacher, pruned, alpha=1, epochs=3)

    assert accuracy(recovered, VAL) > accuracy(teacher, VAL) - 0.05
    assert accuracy(recovered, VAL) > accuracy(pruned, VAL)


def test_an_equal_student_has_nothing_to_learn(bench: Bench, teacher: Artifact) -> None:
    learned = distilled(bench, teacher, alpha=1, maxSteps=1)

    # the student's normalisations see the batch, the teacher's what they learned
    assert float(learned.facts["loss_first"]) < 5


def test_a_student_of_another_architecture_is_a_model_like_any_other(
    bench: Bench, teacher: Artifact
) -> None:
    small = distilled(bench, teacher, epochs=6, **student(width=4))

    assert int(small.facts["params"]) < 0.3 * int(small.facts["teacher_params"])
    assert accuracy(small, VAL) > 0.85
    assert model.load(small).args == {"width": 4}
    assert accuracy(Export().apply(small, bench.context()), VAL) == accuracy(small, VAL)


def test_a_student_begins_with_the_same_weights_for_a_seed(teacher: Artifact) -> None:
    network = model.load(teacher)

    one, same, other = (
        students.fresh("lathe.small_cnn", {"width": 4}, network, seed=seed).module.state_dict()
        for seed in (1, 1, 2)
    )

    assert torch.equal(one["stem.0.weight"], same["stem.0.weight"])
    assert not torch.equal(one["stem.0.weight"], other["stem.0.weight"])


PAIRS: dict[str, Any] = {
    "features": [{"student": f"stages.{i}", "teacher": f"stages.{i}"} for i in (1, 3)]
}


def stages(artifact: Artifact) -> torch.Tensor:
    """What comes out of the last stage, scaled to length 1 at each position."""
    module, kept = model.load(artifact).module, []
    module.get_submodule("stages").register_forward_hook(lambda _, __, given: kept.append(given))
    with torch.no_grad():
        module(torch.from_numpy(VAL.inputs["x"]))
    found: torch.Tensor = nn.functional.normalize(kept[0], dim=1)
    return found


def test_the_students_layers_come_to_agree_with_the_teachers(
    bench: Bench, teacher: Artifact
) -> None:
    def apart(learned: Artifact) -> float:
        return float((stages(learned) - stages(teacher)).square().sum(1).mean())

    common: dict[str, Any] = {"epochs": 3, **student(width=8)}

    alone = distilled(bench, teacher, **common)
    led = distilled(bench, teacher, featureWeight=10, **PAIRS, **common)

    assert apart(led) < 0.5 * apart(alone)


def test_the_maps_between_widths_are_dropped_afterwards(bench: Bench, teacher: Artifact) -> None:
    led = distilled(bench, teacher, maxSteps=1, **PAIRS, **student(width=4))
    alone = distilled(bench, teacher, maxSteps=1, **student(width=4))

    assert led.facts["params"] == alone.facts["params"]
    assert not any(m._forward_hooks for m in model.load(led).module.modules())


def test_layers_of_the_same_width_need_no_map(teacher: Artifact) -> None:
    network = model.load(teacher)
    pairs = [("stages.1", "stages.1"), ("classifier", "classifier")]

    with features.paired(network, model.load(teacher), pairs, seed=0) as paired:
        assert list(paired.parameters()) == []
        for module in (network.module, network.module):
            module(torch.zeros(2, 1, 8, 8))
    assert not network.module.get_submodule("stages.1")._forward_hooks


class Sideways(nn.Module):
    """Takes what the digits' models take, and gives scores of another shape."""

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.unused = nn.Linear(1, 1)
        self.layer = nn.Linear(8, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.layer(x.squeeze(1))
        return found


REFUSED: dict[str, tuple[str, dict[str, Any]]] = {
    "an architecture that there is not": (
        "distill.student.architecture.ref",
        student("lathe.tiny_cnn"),
    ),
    "arguments that it does not take": (
        "distill.student.architecture.args",
        student(depth=4),
    ),
    "weights of somebody else": (
        "distill.student.architecture.args.weights",
        student("torchvision.resnet18", weights="DEFAULT"),
    ),
    "a student that takes other inputs": (
        "distill.student.architecture",
        student(in_channels=3),
    ),
    "a student with other classes": ("distill.student.architecture", student(num_classes=11)),
    "a student with a score for each position": (
        "distill.student.architecture",
        student("lathe.sideways"),
    ),
    "a layer that the student does not have": (
        "distill.features[0].student",
        {"features": [{"student": "stage.1", "teacher": "stages.1"}]},
    ),
    "a layer that the teacher does not have": (
        "distill.features[1].teacher",
        {
            "features": [
                {"student": "stem", "teacher": "stem"},
                {"student": "stages.1", "teacher": "layer4"},
            ]
        },
    ),
    "layers of other positions": (
        "distill.features[0]",
        {"features": [{"student": "stages.0", "teacher": "stages.3"}]},
    ),
}


@pytest.mark.parametrize(("field", "asked"), REFUSED.values(), ids=REFUSED)
def test_it_refuses(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, field: str, asked: dict[str, Any]
) -> None:
    monkeypatch.setitem(architectures._OWN, "lathe.sideways", Sideways)

    with pytest.raises(InvalidSpec) as refusal:
        distilled(bench, bench.network(width=4), **asked)

    assert refusal.value.message.startswith(f"{field}: ")
    assert bench.told == []


def test_a_student_that_cannot_be_built_is_seen_before_the_run_begins() -> None:
    step = Distill.model_validate({"dataset": "train", **student("lathe.tiny_cnn")})

    with pytest.raises(InvalidSpec) as refusal:
        step.require(())

    assert refusal.value.reason is Reason.UNKNOWN_ARCHITECTURE
