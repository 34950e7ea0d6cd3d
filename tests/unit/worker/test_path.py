"""What a run measures on the way, and what it publishes when its last result is not good enough."""

import json
from pathlib import Path

import pytest

from lathe_api.v1alpha1.evaluation import Metric
from lathe_steps.errors import Internal, Transient
from lathe_steps.reasons import ExitCode, Reason
from tests.fake_bench import FakeBench
from tests.worker_runs import ASIDE, EVALUATION, STEPS, Yard, a_run


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path)


ROLLBACK = {**EVALUATION, "onFailure": "Rollback"}


class TestRollback:
    def test_the_newest_step_that_passes_is_published_instead(self, yard: Yard) -> None:
        bench = FakeBench(drops={"cpu-int8": 0.05, "export": 0.005})

        outcome = yard.run(a_run().with_(evaluation=ROLLBACK), bench)

        assert (outcome.exit_code, outcome.gates) == (ExitCode.OK, Reason.ROLLED_BACK)
        assert "export" in outcome.gate_message
        told = {target.name: target.message for target in outcome.targets}
        assert "export" in told["cpu"]
        top1 = {m.target: m.output for m in outcome.metrics if m.name is Metric.TOP1}
        assert top1 == {"cpu": pytest.approx(0.995), "rtx": 1.0}
        yard.assert_whole()

    def test_a_step_further_back_is_taken_where_the_newest_fails_too(self, yard: Yard) -> None:
        bench = FakeBench(drops={"cpu-int8": 0.05, "export": 0.02, "halve-Path-export": 0.0})

        outcome = yard.run(a_run().with_(evaluation=ROLLBACK), bench)

        assert outcome.gates is Reason.ROLLED_BACK
        assert "halve" in {t.name: t.message for t in outcome.targets}["cpu"]

    def test_what_is_published_is_what_passed_and_the_pointer_leads_to_it(self, yard: Yard) -> None:
        yard.run(
            a_run().with_(
                evaluation=ROLLBACK,
                output={"uri": "s3://artifacts/digits/", "publish": {"pointer": "latest.json"}},
            ),
            FakeBench(drops={"cpu-int8": 0.05}),
        )

        files = yard.published()
        (published,) = (files[name] for name in files if name.endswith("cpu/model.onnx"))
        (kept,) = (
            record.parent / "model.onnx"
            for record in yard.output.rglob("step.json")
            if json.loads(record.read_bytes())["name"] == "export"
        )
        assert published == kept.read_bytes()
        assert "latest.json" in files

    @pytest.mark.parametrize(
        "bench",
        [
            pytest.param(FakeBench(drop=0.05), id="nothing before is better"),
            pytest.param(FakeBench(drops={"rtx-simplify": 0.05}), id="an engine has no way back"),
        ],
    )
    def test_where_nothing_passes_it_is_as_fail(self, bench: FakeBench, yard: Yard) -> None:
        outcome = yard.run(a_run().with_(evaluation=ROLLBACK), bench)

        assert outcome.exit_code is ExitCode.GATE_FAILED
        assert outcome.gates is Reason.ACCURACY_BELOW_THRESHOLD
        assert all(name.startswith("rejected/") for name in yard.published())

    def test_what_passes_stays_as_it_is(self, yard: Yard) -> None:
        outcome = yard.run(a_run().with_(evaluation=ROLLBACK))

        assert outcome.gates is Reason.ALL_GATES_PASSED

    def test_the_way_back_is_there_even_where_the_path_is_not_measured(self, yard: Yard) -> None:
        bench = FakeBench(drops={"cpu-int8": 0.05})

        outcome = yard.run(a_run().with_(evaluation={**ROLLBACK, "path": "Skip"}), bench)

        assert outcome.gates is Reason.ROLLED_BACK

    def test_the_same_run_again_finds_what_was_published(self, yard: Yard) -> None:
        resource = a_run().with_(evaluation=ROLLBACK)
        yard.run(resource, FakeBench(drops={"cpu-int8": 0.05}))

        again = yard.run(resource)

        assert (again.cache, again.gates) == ("Hit", Reason.ROLLED_BACK)


class TestPath:
    def test_every_step_is_measured_and_nobody_sees_the_export_for_it(self, yard: Yard) -> None:
        bench = FakeBench()

        outcome = yard.run(bench=bench)

        assert [point.step for point in bench.passed] == STEPS[1:]
        assert ASIDE in bench.applied
        assert ASIDE not in {step.name for step in outcome.steps}
        assert ASIDE not in {told.step for told in yard.told.progress}

    def test_a_graph_that_is_not_executed_is_not_timed(self, yard: Yard) -> None:
        bench = FakeBench()

        yard.run(bench=bench)

        clocked = {point.step for point in bench.passed if point.clocked}
        assert clocked == {"halve", "distill", "export", "cpu/int8"}

    def test_what_cannot_be_exported_is_left_out_and_the_run_goes_on(self, yard: Yard) -> None:
        refusal = Internal("it has a loop", reason=Reason.UNSUPPORTED_MODEL)
        bench = FakeBench(stops={ASIDE: refusal})

        outcome = yard.run(bench=bench)

        assert outcome.exit_code is ExitCode.OK
        assert [point.step for point in bench.passed] == STEPS[2:]

    def test_a_node_that_fails_meanwhile_fails_the_run(self, yard: Yard) -> None:
        full = Transient("no space left", reason=Reason.DISK_FULL)

        outcome = yard.run(bench=FakeBench(stops={ASIDE: full}))

        assert outcome.exit_code is ExitCode.TRANSIENT

    def test_a_run_that_goes_on_does_not_export_again(self, yard: Yard) -> None:
        yard.run(bench=FakeBench(stops={"cpu/int8": KeyboardInterrupt()}))
        bench = FakeBench()

        yard.run(bench=bench)

        assert ASIDE not in bench.applied
        assert "halve" in {point.step for point in bench.passed if point.graph}

    def test_without_a_path_nothing_more_is_made(self, yard: Yard) -> None:
        bench = FakeBench()

        outcome = yard.run(a_run().with_(evaluation={**EVALUATION, "path": "Skip"}), bench)

        assert outcome.exit_code is ExitCode.OK
        assert bench.applied == STEPS
        assert bench.passed == ()
