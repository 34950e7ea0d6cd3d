"""The example of a profile runs on the quick start's digits, by the profile's steps."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lathe_api.outcome import Outcome
from lathe_steps.reasons import ExitCode

pytestmark = pytest.mark.toolchain

ROOT = Path(__file__).parents[3]
LATHE = str(Path(sys.executable).with_name("lathe"))
FOLDER = ROOT / "examples" / "profiles"
SECONDS = 300


def test_a_resource_is_run_by_the_steps_of_its_profile_and_its_own_gates(tmp_path: Path) -> None:
    script = ROOT / "examples" / "quickstart" / "make_model.py"
    subprocess.run([sys.executable, str(script), str(tmp_path)], check=True, timeout=SECONDS)
    where = ["--storage", str(tmp_path), "--workspace", str(tmp_path / "workspace")]
    profile = ["--profile", str(FOLDER / "cnn-int8.yaml")]
    done = subprocess.run(
        [LATHE, "run", str(FOLDER / "digits.yaml"), "--output", "json", *profile, *where],
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )

    assert done.returncode == ExitCode.OK, done.stderr
    outcome = Outcome.model_validate_json(done.stdout)
    assert [step.name for step in outcome.steps] == [
        "Input/export",  # what the result is measured against
        "halve",
        "recover",
        "fuse",
        "export",
        "cpu/int8",
    ]
    reported = str(outcome.report_uri).removeprefix("s3://").replace("report.html", "report.json")
    report: Any = json.loads((tmp_path / reported).read_text())
    assert [each["gate"]["metric"] for each in report["gates"]["results"]] == ["Top1"]
