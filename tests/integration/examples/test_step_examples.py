"""Every example of a step does what it says, as a user would run it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from lathe_api.outcome import Outcome
from lathe_api.v1alpha1.steps import KINDS, StepEntry
from lathe_steps.reasons import ExitCode

pytestmark = pytest.mark.toolchain

ROOT = Path(__file__).parents[3]
LATHE = str(Path(sys.executable).with_name("lathe"))
FOLDER = ROOT / "examples" / "steps"
EXAMPLES = sorted(FOLDER.glob("*.yaml"))
SECONDS = 300


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model and data of the quick start."""
    folder = tmp_path_factory.mktemp("storage")
    script = ROOT / "examples" / "quickstart" / "make_model.py"
    subprocess.run([sys.executable, str(script), str(folder)], check=True, timeout=SECONDS)
    return folder


def test_every_step_has_an_example() -> None:
    used: set[str] = set()
    for file in EXAMPLES:
        spec = yaml.safe_load(file.read_text())["spec"]
        entries = [*spec.get("steps", ())]
        entries += [step for target in spec.get("targets", ()) for step in target.get("steps", ())]
        used |= {key for entry in entries for key in entry}

    assert {StepEntry.model_fields[kind].alias for kind in KINDS} - used == set()


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda file: file.stem)
def test_an_example_runs_and_passes_its_gates(example: Path, storage: Path) -> None:
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
    for artifact in outcome.artifacts:
        assert (storage / artifact.uri.removeprefix("s3://")).stat().st_size == artifact.bytes
    reported = str(outcome.report_uri).removeprefix("s3://").replace("report.html", "report.json")
    report = json.loads((storage / reported).read_text())
    assert {step["state"] for step in report["steps"]} == {"Succeeded"}
