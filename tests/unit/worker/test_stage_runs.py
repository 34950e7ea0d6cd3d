"""A run in stages: each does its part, and what they leave is published as if one had done all."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from lathe_steps.errors import Internal, InvalidSpec, Transient
from lathe_steps.reasons import ExitCode, Reason
from lathe_worker import stage_runs
from lathe_worker.stage_runs import part_named
from tests.builders import ONNX_MODEL, target
from tests.fake_bench import FakeBench
from tests.stage_runs import NEW, OLD, StagedYard, a_staged_run
from tests.worker_runs import EVALUATION

BROKEN = Internal("no kernel fits", reason=Reason.UNSUPPORTED_MODEL)


@pytest.fixture
def yard(tmp_path: Path) -> StagedYard:
    return StagedYard(tmp_path)


def breaks(step: str, error: BaseException = BROKEN) -> FakeBench:
    return FakeBench(stops={step: error})


def test_each_stage_does_its_part_and_no_step_runs_twice(yard: StagedYard) -> None:
    yard.stages()

    assert yard.applied == {
        "compress": [
            "Input/export",
            "halve",
            "halve/Path/export",
            "distill",
            "export",
            "rtx/buildEngine",
        ],
        "build1": ["old/int8"],
        "build2": ["new/int8"],
        "publish": [],
    }


def test_the_last_stage_publishes_what_one_run_would_have(yard: StagedYard, tmp_path: Path) -> None:
    alone = StagedYard(tmp_path / "alone")
    whole = alone.run(a_staged_run())

    last = yard.stages()["publish"]

    assert (last.exit_code, last.gates) == (ExitCode.OK, Reason.ALL_GATES_PASSED)
    assert yard.published().keys() == alone.published().keys()
    assert last.run_key == whole.run_key
    assert [step.name for step in last.steps] == [step.name for step in whole.steps]
    assert last.metrics == whole.metrics
    assert [(it.target, it.digest) for it in last.artifacts] == [
        (it.target, it.digest) for it in whole.artifacts
    ]
    yard.assert_whole()


def test_nothing_is_published_before_the_last_stage(yard: StagedYard) -> None:
    for name in ("compress", "build1", "build2"):
        outcome = yard.stage(name)
        assert (outcome.exit_code, outcome.manifest_uri) == (ExitCode.OK, None)

    assert yard.published() == {}


def test_a_report_says_where_each_target_was_made(yard: StagedYard) -> None:
    yard.stages()

    (manifest,) = yard.manifests()
    assert set(manifest["madeOn"]) == {"old", "new", "rtx"}
    assert {waypoint["step"] for waypoint in report_of(yard)["measured"]["path"]} == {
        "halve",
        "distill",
        "export",
        "old/int8",
        "new/int8",
        "rtx/buildEngine",
    }


def report_of(yard: StagedYard) -> dict[str, Any]:
    (path,) = yard.output.rglob("report.json")
    found: dict[str, Any] = json.loads(path.read_bytes())
    return found


class TestATargetThatFails:
    def test_it_leaves_the_others_alone(self, yard: StagedYard) -> None:
        outcomes = yard.stages(build2=breaks("new/int8"))

        failed, last = outcomes["build2"], outcomes["publish"]
        assert failed.failure is not None
        assert (failed.exit_code, failed.failure.reason) == (
            ExitCode.INTERNAL,
            Reason.UNSUPPORTED_MODEL,
        )
        assert last.exit_code == ExitCode.OK
        assert {it.name: it.state for it in last.targets} == {
            "old": "Succeeded",
            "new": "Failed",
            "rtx": "Succeeded",
        }
        assert {artifact.target for artifact in last.artifacts} == {"old", "rtx"}
        yard.assert_whole()

    def test_nothing_points_to_what_is_there_without_it(self, yard: StagedYard) -> None:
        yard.stages(build2=breaks("new/int8"))

        assert not (yard.output / "latest.json").exists()
        assert len(yard.manifests()) == 1

    def test_it_is_all_that_the_next_run_does(self, yard: StagedYard) -> None:
        yard.stages(build2=breaks("new/int8"))
        yard.run_name = "digits-89abcdef"

        last = yard.stages()["publish"]

        assert yard.applied == {"compress": [], "build1": [], "build2": ["new/int8"], "publish": []}
        assert {it.state for it in last.targets} == {"Succeeded"}
        assert (yard.output / "latest.json").exists()
        yard.assert_whole()

    def test_a_gate_that_is_about_it_alone_is_not_held_against_the_others(
        self, yard: StagedYard
    ) -> None:
        gates = [*EVALUATION["gates"], {"metric": "SizeBytes", "target": "new", "maxRatio": 0.9}]
        resource = a_staged_run().with_(evaluation={**EVALUATION, "gates": gates})

        last = yard.stages(resource, build2=breaks("new/int8"))["publish"]

        assert (last.exit_code, last.gates) == (ExitCode.OK, Reason.ALL_GATES_PASSED)

    def test_one_that_any_node_makes_does_not_keep_the_others_from_theirs(
        self, yard: StagedYard
    ) -> None:
        outcomes = yard.stages(compress=breaks("rtx/buildEngine"))

        assert outcomes["compress"].exit_code == ExitCode.OK
        assert {it.name: it.state for it in outcomes["publish"].targets} == {
            "old": "Succeeded",
            "new": "Succeeded",
            "rtx": "Failed",
        }

    def test_one_that_is_starved_gets_another_worker_before_the_others_go_on(
        self, yard: StagedYard
    ) -> None:
        starved = Internal("out of memory", reason=Reason.OUT_OF_MEMORY)

        first = yard.stage("compress", bench=breaks("rtx/buildEngine", starved))
        second = yard.stage("compress")

        assert first.failure is not None
        assert first.failure.reason is Reason.OUT_OF_MEMORY
        assert [it.state for it in second.targets] == ["Succeeded"]
        assert yard.applied["compress"] == ["rtx/buildEngine"]

    def test_those_that_share_its_pod_are_made(self, yard: StagedYard) -> None:
        shares = target("also", "ONNXRuntime", cpu={"isa": [OLD]})
        resource = a_staged_run().targets(*a_staged_run().spec["targets"], shares)

        outcome = yard.stages(resource, build1=breaks("old/int8"))["build1"]

        assert [(it.name, it.state) for it in outcome.targets] == [
            ("also", "Succeeded"),
            ("old", "Failed"),
        ]

    def test_another_attempt_makes_only_what_is_missing(self, yard: StagedYard) -> None:
        shares = target("also", "ONNXRuntime", {"name": "int4", **DYNAMIC}, cpu={"isa": [OLD]})
        resource = a_staged_run().targets(*a_staged_run().spec["targets"], shares)
        yard.stage("compress", resource)
        yard.stage("build1", resource, breaks("old/int8"))

        outcome = yard.stage("build1", resource)

        assert (outcome.exit_code, yard.applied["build1"]) == (ExitCode.OK, ["old/int8"])
        assert {it.state for it in outcome.targets} == {"Succeeded"}

    def test_when_all_fail_there_is_nothing_to_publish(self, yard: StagedYard) -> None:
        outcomes = yard.stages(
            compress=breaks("rtx/buildEngine"),
            build1=breaks("old/int8"),
            build2=breaks("new/int8"),
        )

        assert outcomes["publish"].exit_code == ExitCode.INTERNAL
        assert yard.published() == {}


DYNAMIC: dict[str, Any] = {"quantize": {"mode": "Dynamic"}}

CACHES = ["Off", "Read", "ReadWrite"]


@pytest.mark.parametrize("cache", CACHES)
def test_common_steps_run_once_in_a_run_whatever_the_cache(cache: str, yard: StagedYard) -> None:
    outcomes = yard.stages(a_staged_run().with_(run={"cache": cache}))

    assert outcomes["publish"].exit_code == ExitCode.OK
    assert (yard.applied["build1"], yard.applied["build2"]) == (["old/int8"], ["new/int8"])
    yard.assert_whole()


def test_without_a_cache_another_run_finds_nothing_of_it(yard: StagedYard) -> None:
    off = a_staged_run().with_(run={"cache": "Off"})
    for name in ("compress", "build1"):
        yard.stage(name, off)
    yard.run_name = "digits-89abcdef"

    for name in ("compress", "build1"):
        yard.stage(name, off)

    assert "halve" in yard.applied["compress"]
    assert yard.applied["build1"] == ["old/int8"]


def test_a_result_that_is_there_ends_the_run_in_its_first_stage(yard: StagedYard) -> None:
    yard.stages()
    yard.run_name = "digits-89abcdef"

    outcome = yard.stage("compress")

    assert (outcome.cache, outcome.exit_code, yard.applied["compress"]) == ("Hit", ExitCode.OK, [])
    assert outcome.manifest_uri is not None


def test_stages_on_other_machines_mean_the_same_steps(
    yard: StagedYard, monkeypatch: pytest.MonkeyPatch
) -> None:
    resource = a_staged_run().with_(model=ONNX_MODEL).steps({"name": "common", **DYNAMIC})
    yard.put("models/digits/model.onnx", b"graph")
    resource = resource.targets(
        target("old", "ONNXRuntime", cpu={"isa": [OLD]}),
        target("new", "ONNXRuntime", cpu={"isa": [NEW]}),
        target("any", "ONNXRuntime"),
    )
    machines = {"compress": {NEW, OLD}, "build1": {OLD}, "build2": {NEW}, "publish": set[str]()}
    executed = {}
    for stage, isa in machines.items():
        monkeypatch.setattr(stage_runs, "features", lambda isa=isa: frozenset(isa))
        last = yard.stage(stage, resource)
        executed[stage] = {it.name: it.executed for it in last.targets}

    assert yard.applied == {"compress": ["common"], "build1": [], "build2": [], "publish": []}
    assert executed["publish"] == {"old": True, "new": True, "any": True}


class TestGates:
    def test_one_target_that_fails_its_gate_keeps_all_from_their_consumers(
        self, yard: StagedYard
    ) -> None:
        last = yard.stages(build2=FakeBench(drop=0.05))["publish"]

        assert (last.exit_code, last.gates) == (
            ExitCode.GATE_FAILED,
            Reason.ACCURACY_BELOW_THRESHOLD,
        )
        assert all(name.startswith("rejected/") for name in yard.published())

    def test_what_failed_its_gate_is_measured_again_in_the_next_run(self, yard: StagedYard) -> None:
        yard.stages(build2=FakeBench(drop=0.05))
        yard.run_name = "digits-89abcdef"

        last = yard.stages()["publish"]

        assert (last.exit_code, yard.applied["build2"]) == (ExitCode.OK, [])

    def test_a_target_goes_back_where_it_was_made(self, yard: StagedYard) -> None:
        rollback = a_staged_run().with_(evaluation={**EVALUATION, "onFailure": "Rollback"})
        outcomes = yard.stages(rollback, build2=FakeBench(drops={"new-int8": 0.05}))

        last = outcomes["publish"]
        assert (last.exit_code, last.gates) == (ExitCode.OK, Reason.ROLLED_BACK)
        assert report_of(yard)["rolledBack"] == {"new": "export"}

    def test_what_is_measured_elsewhere_does_not_keep_a_target_from_going_back(
        self, yard: StagedYard
    ) -> None:
        gates = [*EVALUATION["gates"], {"metric": "LatencyP50", "minSpeedup": 1.1}]
        evaluation = {**EVALUATION, "gates": gates, "onFailure": "Rollback"}
        resource = a_staged_run().with_(evaluation=evaluation)
        resource = resource.targets(
            target("any", "ONNXRuntime"),
            *(it for it in resource.spec["targets"] if it["name"] != "rtx"),
        )

        last = yard.stages(resource, build2=FakeBench(drops={"new-int8": 0.05}))["publish"]

        assert (last.exit_code, last.gates) == (ExitCode.OK, Reason.ROLLED_BACK)


def test_an_input_that_changed_between_stages_is_refused(yard: StagedYard) -> None:
    yard.stage("compress")
    yard.put("data/calib.npz", b"others")

    outcome = yard.stage("build1")

    assert outcome.failure is not None
    assert (outcome.exit_code, outcome.failure.reason) == (
        ExitCode.BAD_INPUT,
        Reason.OBJECT_CHANGED,
    )
    assert "s3://data/calib.npz" in outcome.failure.message


def test_a_stage_without_the_one_before_says_what_to_do(yard: StagedYard) -> None:
    outcome = yard.stage("build1")

    assert outcome.failure is not None
    assert "request a restart" in outcome.failure.message


def test_storage_that_is_away_is_nobodys_failure(yard: StagedYard) -> None:
    yard.stage("compress")

    outcome = yard.stage("build1", bench=breaks("old/int8", Transient("nobody answers")))

    assert (outcome.exit_code, outcome.targets) == (ExitCode.TRANSIENT, ())


def test_a_common_step_that_fails_ends_the_first_stage(yard: StagedYard) -> None:
    outcome = yard.stage("compress", bench=breaks("distill"))

    assert outcome.failure is not None
    assert (outcome.exit_code, outcome.failure.step) == (ExitCode.INTERNAL, "distill")


def test_progress_goes_on_from_stage_to_stage(yard: StagedYard) -> None:
    yard.stages()

    percents = [progress.percent for progress in yard.told.progress]
    assert (percents[0], percents[-1]) == (0, 100)
    assert max(p for p in percents[:-1] if p < 100) >= 95
    assert percents == sorted(percents) or _only_between_builds(percents)


def _only_between_builds(percents: list[int]) -> bool:
    """Builds stand side by side: each begins where the first stage ended."""
    falls = [(a, b) for a, b in itertools.pairwise(percents) if b < a]
    return len(falls) == 1 and falls[0][0] == 95


def test_no_stage_is_called_so(yard: StagedYard) -> None:
    with pytest.raises(InvalidSpec, match="build9"):
        part_named(yard.plan(a_staged_run()), "digits-0123abcd", "build9")
