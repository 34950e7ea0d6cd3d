"""The program in the pod: what the Job gives goes in, an exit code and a last word come out."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lathe_api.outcome import LIMIT, Outcome
from lathe_api.plan import Plan
from lathe_api.v1alpha1.status import Failure
from lathe_steps.errors import InvalidSpec
from lathe_steps.reasons import ExitCode, Reason
from lathe_worker.main import outcome_in, read_plan, settings_in, storage_environment, tell
from tests.worker_runs import Yard, a_run


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return Yard(tmp_path).plan(a_run())


def written(path: Path, document: object) -> Path:
    path.write_text(json.dumps(document))
    return path


def test_a_plan_is_read_as_it_was_decided(plan: Plan, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text(plan.dumped())

    assert read_plan(path) == plan


NO_PLANS: dict[str, Any] = {
    "of another protocol": {"protocol": 2},
    "of no protocol": {},
    "that is no mapping": [],
    "with a field that nobody knows": {"protocol": 1, "surprise": True},
}


@pytest.mark.parametrize("document", NO_PLANS.values(), ids=NO_PLANS.keys())
def test_what_is_no_plan_is_an_invalid_spec_in_one_line(document: object, tmp_path: Path) -> None:
    with pytest.raises(InvalidSpec) as stopped:
        read_plan(written(tmp_path / "plan.json", document))

    assert "\n" not in stopped.value.message
    assert "worker image" in stopped.value.message


def test_a_plan_that_is_not_there_is_an_outcome_too(tmp_path: Path) -> None:
    outcome = outcome_in({"LATHE_PLAN": str(tmp_path / "none.json")})

    assert outcome.failure is not None
    assert (outcome.exit_code, outcome.failure.reason) == (
        ExitCode.INVALID_SPEC,
        Reason.INVALID_SPEC,
    )


def test_settings_are_what_the_job_says() -> None:
    settings = settings_in(
        {"LATHE_THREADS": "3", "LATHE_ALLOW_STATE_DICT": "true", "LATHE_WORKSPACE_SIZE": "1024"}
    )

    assert (settings.threads, settings.allow_state_dict, settings.workspace_size) == (3, True, 1024)


def test_a_worker_is_told_to_need_less_memory() -> None:
    assert settings_in({"LATHE_LEAN": "true"}).lean


def test_without_a_word_nothing_is_allowed_and_the_disk_is_the_limit() -> None:
    settings = settings_in({})

    assert settings.threads >= 1
    assert not settings.lean
    assert (settings.allow_state_dict, settings.workspace_size) == (False, None)


def test_mounted_certificates_are_what_storage_trusts() -> None:
    environ = {"LATHE_CA_BUNDLE": "/etc/lathe/ca/ca.crt", "AWS_CA_BUNDLE": "/elsewhere"}

    assert storage_environment(environ)["AWS_CA_BUNDLE"] == "/etc/lathe/ca/ca.crt"
    assert storage_environment({}) == {}


def test_certificates_that_are_not_there_are_told_by_the_name_of_their_config_map(
    plan: Plan, tmp_path: Path
) -> None:
    reference = {"configMapRef": {"name": "corp-ca", "key": "bundle.pem"}}
    document = {**json.loads(plan.dumped()), "storage": {"s3": {"ca": reference}}}
    path = written(tmp_path / "plan.json", document)
    mounted = tmp_path / "ca.crt"

    outcome = outcome_in({"LATHE_PLAN": str(path), "LATHE_CA_BUNDLE": str(mounted)})

    assert outcome.failure is not None
    assert outcome.exit_code is ExitCode.TRANSIENT  # whoever creates it meanwhile is served
    assert outcome.failure.reason is Reason.CONFIG_MAP_NOT_FOUND
    assert {"corp-ca", "bundle.pem"} <= set(outcome.failure.message.split())


def test_the_last_word_fits_and_can_be_read(tmp_path: Path) -> None:
    outcome = Outcome(
        exit_code=ExitCode.INTERNAL,
        failure=Failure(reason=Reason.STEP_FAILED, message="x" * 1024, step="s" * 253),
    )

    tell(outcome, tmp_path / "log")

    assert Outcome.model_validate_json((tmp_path / "log").read_text()) == outcome
    assert (tmp_path / "log").stat().st_size <= LIMIT


def test_a_last_word_that_nobody_hears_harms_nothing(tmp_path: Path) -> None:
    tell(Outcome(exit_code=ExitCode.OK), tmp_path / "none" / "log")


def environment(tmp_path: Path) -> dict[str, str]:
    return {
        "PATH": os.defpath,
        "LATHE_PLAN": str(tmp_path / "plan.json"),
        "LATHE_WORKSPACE": str(tmp_path / "workspace"),
        "LATHE_TERMINATION_LOG": str(tmp_path / "log"),
    }


def test_the_program_exits_with_its_outcome(tmp_path: Path) -> None:
    written(tmp_path / "plan.json", {"protocol": 2})

    done = subprocess.run(
        [sys.executable, "-m", "lathe_worker.main"],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )

    said = Outcome.model_validate_json((tmp_path / "log").read_text())
    assert (done.returncode, said.exit_code) == (20, ExitCode.INVALID_SPEC)
    assert "Traceback" not in done.stderr


SPY = """
import ctypes, os, subprocess
from lathe_worker.main import keep_to_itself
if os.geteuid() == 0:
    os.setgid(65532), os.setuid(65532)
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # as after exec, which a test cannot do for this user
def spy():
    return subprocess.run(["cat", f"/proc/{os.getpid()}/environ"], capture_output=True).stdout
before = spy()
keep_to_itself()
print(b"SECRET" in before, b"SECRET" in spy())
"""


def test_children_cannot_read_the_credentials_of_the_program() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SPY],
        env={"PATH": os.defpath, "SECRET": "x"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.split() == ["True", "False"]
