"""What a run does with its plan, whatever the toolchains are."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from lathe_steps.base import Artifact
from lathe_steps.errors import Internal, InvalidSpec, Transient
from lathe_steps.reasons import ExitCode, Reason
from lathe_worker.bench import ApplyStep, Keep, Progress
from tests.builders import ONNX_MODEL, PACK, PRUNE, ResourceBuilder, target
from tests.fake_bench import FakeBench
from tests.worker_runs import EVALUATION, STEPS, Yard, a_run


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path)


def stop(error: BaseException) -> Mapping[str, BaseException]:
    """A bench's word for: this happens at distill."""
    return {"distill": error}


def test_a_run_publishes_each_target_a_report_and_a_manifest(yard: Yard) -> None:
    outcome = yard.run()

    folder = f"{outcome.run_key}"[:16]
    assert (outcome.exit_code, outcome.gates) == (ExitCode.OK, Reason.ALL_GATES_PASSED)
    assert set(yard.published()) == {
        f"{folder}/cpu/model.onnx",
        f"{folder}/rtx/model.engine",
        f"{folder}/report.json",
        f"{folder}/report.html",
        f"{folder}/manifest.json",
        "latest.json",
    }
    yard.assert_whole()


def test_an_outcome_says_what_was_done_measured_and_published(yard: Yard) -> None:
    outcome = yard.run()

    assert [step.name for step in outcome.steps] == STEPS
    assert {step.cache for step in outcome.steps} == {"Miss"}
    assert {(target.name, target.executed) for target in outcome.targets} == {
        ("cpu", True),
        ("rtx", False),
    }
    assert {artifact.target for artifact in outcome.artifacts} == {"cpu", "rtx"}
    assert {(metric.name, metric.target) for metric in outcome.metrics} == {
        ("Top1", "cpu"),
        ("Top1", "rtx"),
        ("SizeBytes", "cpu"),
        ("SizeBytes", "rtx"),
    }
    assert outcome.summary is not None
    assert outcome.summary.size == "-50%"


def test_a_manifest_says_where_all_came_from(yard: Yard) -> None:
    outcome = yard.run()

    (manifest,) = yard.manifests()
    assert [each["name"] for each in manifest["inputs"]] == ["model", "train", "calib", "val"]
    assert all(each["digest"].startswith("sha256:") for each in manifest["inputs"])
    assert manifest["runKey"] == outcome.run_key
    assert manifest["plan"]["model"]["uri"] == "s3://models/digits/"
    assert manifest["environment"]["versions"]["lathe"]
    assert [step["name"] for step in manifest["steps"]] == STEPS


def test_progress_goes_through_every_stage_and_never_back(yard: Yard) -> None:
    yard.run()

    percents = [progress.percent for progress in yard.told.progress]
    stages = list(dict.fromkeys(progress.step for progress in yard.told.progress))
    assert percents == sorted(percents)
    assert (percents[0], percents[-1]) == (0, 100)
    assert stages == ["Fetch", "Open", *STEPS, "Evaluate", "Publish"]
    assert yard.told.progress[-1].step_index == yard.told.progress[-1].steps == len(stages)


def test_nothing_stays_in_the_workspace(yard: Yard) -> None:
    yard.run()
    yard.run(bench=FakeBench(stops=stop(Internal("no"))))

    assert list(yard.workspace.iterdir()) == []


def test_the_workspace_holds_only_what_is_still_needed(yard: Yard) -> None:
    seen: dict[str, set[str]] = {}

    class Watching(FakeBench):
        def apply(self, request: ApplyStep, progress: Progress, keep: Keep) -> Artifact:
            folders = [folder for folder in request.out.parent.iterdir() if folder.is_dir()]
            seen[request.name] = {f.name.partition("-")[2] for f in folders if any(f.iterdir())}
            return super().apply(request, progress, keep)

    yard.run(bench=Watching())

    model_and_data = {"model", "data-train", "data-calib", "data-val", "Input-export"}
    on_the_way = "halve-Path-export"
    assert seen["export"] == {*model_and_data, "distill", on_the_way}
    assert seen["rtx/buildEngine"] == {
        *model_and_data,
        on_the_way,
        "export",
        "cpu-int8",
        "rtx-simplify",
    }


class TestGates:
    def test_a_result_that_fails_is_kept_apart_and_nothing_points_to_it(self, yard: Yard) -> None:
        outcome = yard.run(bench=FakeBench(drop=0.05))

        folder = f"rejected/{outcome.run_key}"[: len("rejected/") + 16]
        assert (outcome.exit_code, outcome.gates) == (
            ExitCode.GATE_FAILED,
            Reason.ACCURACY_BELOW_THRESHOLD,
        )
        assert outcome.failure is not None
        assert (outcome.failure.reason, outcome.failure.exit_code) == (Reason.GATE_FAILED, 10)
        assert {name.rpartition("/")[0] for name in yard.published()} == {
            folder,
            f"{folder}/cpu",
            f"{folder}/rtx",
        }
        yard.assert_whole()

    def test_with_warn_it_is_published_all_the_same_but_nothing_points_to_it(
        self, yard: Yard
    ) -> None:
        warn = a_run().with_(evaluation={**EVALUATION, "onFailure": "Warn"})

        outcome = yard.run(warn, FakeBench(drop=0.05))

        assert (outcome.exit_code, outcome.gates) == (
            ExitCode.OK,
            Reason.ACCURACY_BELOW_THRESHOLD,
        )
        assert not (yard.output / "latest.json").exists()
        assert f"{outcome.run_key}"[:16] in {name.partition("/")[0] for name in yard.published()}

    def test_a_result_that_failed_is_measured_again_next_time(self, yard: Yard) -> None:
        yard.run(bench=FakeBench(drop=0.05))
        bench = FakeBench(drop=0.0)

        outcome = yard.run(bench=bench)

        assert (outcome.exit_code, bench.applied) == (ExitCode.OK, [])
        yard.assert_whole()

    def test_without_an_evaluation_nothing_is_measured_and_all_is_published(
        self, yard: Yard
    ) -> None:
        outcome = yard.run(a_run().with_(evaluation=None))

        assert (outcome.exit_code, outcome.gates) == (ExitCode.OK, Reason.NOT_EVALUATED)
        assert [step.name for step in outcome.steps] == STEPS[1:]
        assert (yard.output / "latest.json").exists()

    def test_the_pointer_follows_the_resource_back_to_an_older_result(self, yard: Yard) -> None:
        first = yard.run()
        yard.run(a_run().with_(evaluation=None))

        yard.run()

        pointer = json.loads((yard.output / "latest.json").read_bytes())
        assert pointer["runKey"] == first.run_key


def test_an_onnx_model_without_steps_is_what_is_published(yard: Yard) -> None:
    yard.put("models/digits/model.onnx", b"graph")
    plain = a_run().with_(model=ONNX_MODEL, steps=None, targets=None)

    outcome = yard.run(plain)

    assert (outcome.exit_code, outcome.steps) == (ExitCode.OK, ())
    assert [artifact.target for artifact in outcome.artifacts] == ["onnx"]


def test_an_archive_is_published_with_a_word_about_unpacking(yard: Yard) -> None:
    packed = a_run().steps(PRUNE).targets(target("small", "ONNXRuntime", PACK))

    outcome = yard.run(packed)

    assert [artifact.name for artifact in outcome.artifacts] == ["model.lathe"]
    (small,) = outcome.targets
    assert (small.executed, "lathe unpack" in small.message) == (True, True)
    assert {metric.name for metric in outcome.metrics} == {"Top1", "SizeBytes"}


REFUSED: dict[str, tuple[ExitCode, Reason, str, ResourceBuilder]] = {
    "a model that is not there": (
        ExitCode.BAD_INPUT,
        Reason.OBJECT_NOT_FOUND,
        "s3://models/none.onnx",
        a_run().with_(model={**ONNX_MODEL, "uri": "s3://models/none.onnx"}, steps=None),
    ),
    "a prefix without objects": (
        ExitCode.BAD_INPUT,
        Reason.EMPTY_PREFIX,
        "s3://models/none/",
        a_run().with_(model={**a_run().spec["model"], "uri": "s3://models/none/"}),
    ),
    "a model that is not the pinned one": (
        ExitCode.BAD_INPUT,
        Reason.DIGEST_MISMATCH,
        "spec.model.digest",
        a_run().with_(model={**a_run().spec["model"], "digest": "sha256:" + "0" * 64}),
    ),
    "a torch file that nobody allowed": (
        ExitCode.INVALID_SPEC,
        Reason.INVALID_SPEC,
        "spec.model.format",
        a_run().with_(model={**a_run().spec["model"], "format": "StateDict"}),
    ),
}


@pytest.mark.parametrize(
    ("exit_code", "reason", "named", "resource"), REFUSED.values(), ids=REFUSED.keys()
)
def test_what_cannot_be_run_ends_before_any_step(
    exit_code: ExitCode, reason: Reason, named: str, resource: ResourceBuilder, yard: Yard
) -> None:
    bench = FakeBench()

    outcome = yard.run(resource, bench)

    assert outcome.failure is not None
    assert (outcome.exit_code, outcome.failure.reason) == (exit_code, reason)
    assert named in outcome.failure.message
    assert (bench.applied, yard.published()) == ([], {})


@pytest.mark.parametrize("uri", ["s3://models/digits/", "s3://models/digits/model.safetensors"])
def test_a_pinned_model_runs_whether_it_is_an_object_or_a_prefix(uri: str, yard: Yard) -> None:
    model = {**a_run().spec["model"], "uri": uri}
    yard.run(a_run().with_(model=model))
    (manifest,) = yard.manifests()
    pinned = {**model, "digest": manifest["inputs"][0]["digest"]}

    outcome = yard.run(a_run().with_(model=pinned, evaluation=None))

    assert outcome.exit_code == ExitCode.OK


def test_a_builder_that_is_missing_is_known_before_any_step_runs(yard: Yard) -> None:
    missing = InvalidSpec("no library", reason=Reason.RUNTIME_UNAVAILABLE)
    bench = FakeBench(stops={"rtx/buildEngine": missing})

    outcome = yard.run(bench=bench)

    assert outcome.failure is not None
    assert (outcome.exit_code, outcome.failure.reason) == (20, Reason.RUNTIME_UNAVAILABLE)
    assert bench.applied == []


def test_garbage_names_its_object(yard: Yard) -> None:
    yard.put("models/digits/model.safetensors", b"garbage")

    outcome = yard.run()

    assert outcome.failure is not None
    assert outcome.failure.reason is Reason.INVALID_MODEL
    assert outcome.failure.step == "Open"
    assert "s3://models/digits/" in outcome.failure.message


def test_a_workspace_that_is_too_small_is_known_before_anything_is_fetched(yard: Yard) -> None:
    outcome = yard.run(workspace_size=10)

    assert outcome.failure is not None
    assert (outcome.exit_code, outcome.failure.reason) == (
        ExitCode.INVALID_SPEC,
        Reason.WORKSPACE_TOO_SMALL,
    )
    assert "10 bytes" in outcome.failure.message
    assert yard.told.progress[-1].step == "Fetch"


ENDS: dict[str, tuple[ExitCode, Reason, BaseException]] = {
    "a step that fails": (ExitCode.INTERNAL, Reason.STEP_FAILED, Internal("the loss is nan")),
    "storage that is away": (
        ExitCode.TRANSIENT,
        Reason.STORAGE_UNAVAILABLE,
        Transient("nobody answers"),
    ),
    "memory that is not enough": (ExitCode.INTERNAL, Reason.OUT_OF_MEMORY, MemoryError()),
    "a disk that is full": (
        ExitCode.TRANSIENT,
        Reason.DISK_FULL,
        OSError(28, "No space left on device", "/workspace/model.onnx"),
    ),
    "somebody who interrupts": (ExitCode.TRANSIENT, Reason.INTERRUPTED, KeyboardInterrupt()),
    "a mistake of ours": (ExitCode.INTERNAL, Reason.INTERNAL_ERROR, KeyError("x")),
}


@pytest.mark.parametrize(("exit_code", "reason", "error"), ENDS.values(), ids=ENDS.keys())
def test_whatever_happens_becomes_an_outcome_that_says_where(
    exit_code: ExitCode, reason: Reason, error: BaseException, yard: Yard
) -> None:
    bench = FakeBench(stops=stop(error))

    outcome = yard.run(bench=bench)

    assert outcome.failure is not None
    assert (outcome.exit_code, outcome.failure.reason) == (exit_code, reason)
    assert outcome.failure.step == "distill"
    assert "\n" not in outcome.failure.message
    assert [(step.name, step.state) for step in outcome.steps] == [
        ("Input/export", "Succeeded"),
        ("halve", "Succeeded"),
        ("distill", "Failed"),
    ]
    assert yard.published() == {}
    assert bench.closed
