"""Every example of a format of data runs on the quick start's digits, and measures the same."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from lathe_api.outcome import Outcome
from lathe_api.v1alpha1.datasets import DatasetRef
from lathe_steps.reasons import ExitCode

pytestmark = pytest.mark.toolchain

ROOT = Path(__file__).parents[3]
LATHE = str(Path(sys.executable).with_name("lathe"))
FOLDER = ROOT / "examples" / "data"
EXAMPLES = sorted(FOLDER.glob("*.yaml"))
SECONDS = 300


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model of the quick start, and its data in every format."""
    folder = tmp_path_factory.mktemp("storage")
    for script in ("quickstart/make_model.py", "data/make_data.py"):
        command = [sys.executable, str(ROOT / "examples" / script), str(folder)]
        subprocess.run(command, check=True, timeout=SECONDS)
    return folder


def test_every_format_has_an_example() -> None:
    documents = [yaml.safe_load(file.read_text()) for file in EXAMPLES]
    shown = {each["format"] for document in documents for each in document["spec"]["datasets"]}

    assert shown == {*get_args(DatasetRef.model_fields["format"].annotation)}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda file: file.stem)
def test_an_example_runs_and_measures_the_digits(example: Path, storage: Path) -> None:
    where = ["--storage", str(storage), "--workspace", str(storage / "workspace")]
    done = subprocess.run(
        [LATHE, "run", str(example), "--output", "json", *where],
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )

    assert done.returncode == ExitCode.OK, done.stderr
    outcome = Outcome.model_validate_json(done.stdout)
    reported = str(outcome.report_uri).removeprefix("s3://").replace("report.html", "report.json")
    report: Any = json.loads((storage / reported).read_text())
    (top1,) = [it for it in report["measured"]["metrics"] if it["name"] == "Top1"]
    assert top1["samples"] == 747
    assert top1["input"] > 0.95
