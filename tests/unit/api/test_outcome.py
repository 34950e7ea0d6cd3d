"""The worker's last words fit into a termination message, whatever happened."""

import pytest

from lathe_api.outcome import LIMIT, Outcome
from lathe_api.v1alpha1.evaluation import Metric
from lathe_api.v1alpha1.status import (
    ArtifactStatus,
    Failure,
    MetricStatus,
    StepStatus,
    Summary,
    TargetStatus,
)
from lathe_steps.reasons import ExitCode, Reason

SMALL = Outcome(
    run_key="5f3a9c1e",
    exit_code=ExitCode.OK,
    gates=Reason.ALL_GATES_PASSED,
    steps=(StepStatus(name="halve", state="Succeeded", seconds=2.5, metrics={"params": 10.0}),),
    summary=Summary(size="-87%"),
    manifest_uri="s3://artifacts/digits/5f3a9c1e/manifest.json",
)


def many(count: int) -> Outcome:
    uri = "s3://artifacts/a-long-prefix/5f3a9c1e/target/model.onnx"
    return SMALL.model_copy(
        update={
            "steps": tuple(
                StepStatus(name=f"step-{i}", state="Succeeded", metrics={"params": float(i)})
                for i in range(count)
            ),
            "targets": tuple(TargetStatus(name=f"t{i}", state="Succeeded") for i in range(16)),
            "artifacts": tuple(
                ArtifactStatus(
                    name="model.onnx", target=f"t{i}", uri=uri, digest="sha256:" + "0" * 64, bytes=1
                )
                for i in range(count)
            ),
            "metrics": tuple(
                MetricStatus(name=Metric.TOP1, target=f"t{i}", input=0.9, output=0.8)
                for i in range(count)
            ),
        }
    )


def test_a_usual_outcome_is_said_whole() -> None:
    assert Outcome.model_validate_json(SMALL.termination_message()) == SMALL


@pytest.mark.parametrize("count", [1, 10, 100, 288], ids=lambda n: f"{n} of everything")
def test_a_long_outcome_fits_and_keeps_what_matters_most(count: int) -> None:
    message = many(count).termination_message()
    said = Outcome.model_validate_json(message)

    assert len(message.encode()) <= LIMIT
    assert (said.exit_code, said.gates, said.summary, said.manifest_uri) == (
        SMALL.exit_code,
        SMALL.gates,
        SMALL.summary,
        SMALL.manifest_uri,
    )


def test_a_failure_in_many_bytes_fits_too() -> None:
    failure = Failure(reason=Reason.STEP_FAILED, message="ü" * 1024, step="é" * 253)
    outcome = many(50).model_copy(update={"failure": failure, "gate_message": "ß" * 1024})

    assert len(outcome.termination_message().encode()) <= LIMIT
    assert Outcome.model_validate_json(outcome.termination_message()).failure is not None


@pytest.mark.parametrize("character", ["a", '"', "\x01", "模", "🜚"], ids=ascii)
def test_the_longest_outcome_of_the_oddest_characters_fits(character: str) -> None:
    uri = f"s3://bucket/{character * 1000}/"
    outcome = many(288).model_copy(
        update={
            "exit_code": ExitCode.INTERNAL,
            "run_key": "a" * 64,
            "gate_message": character * 1024,
            "failure": Failure(
                reason=Reason.STEP_FAILED, message=character * 1024, step=character * 253
            ),
            "summary": Summary(model=character * 253, targets=character * 253),
            "manifest_uri": uri,
            "report_uri": uri,
        }
    )

    message = outcome.termination_message()

    assert len(message.encode()) <= LIMIT
    said = Outcome.model_validate_json(message)
    assert (said.exit_code, said.failure and said.failure.reason) == (
        ExitCode.INTERNAL,
        Reason.STEP_FAILED,
    )
