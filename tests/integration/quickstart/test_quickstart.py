"""The README's first command: a model is made, optimized, interrupted, and finished."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lathe_api.outcome import Outcome
from lathe_api.v1alpha1.evaluation import Metric
from lathe_steps.reasons import Reason

pytestmark = pytest.mark.toolchain

ROOT = Path(__file__).parents[3]
LATHE = str(Path(sys.executable).with_name("lathe"))
SECONDS = 540


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model and its data, as the example makes them."""
    folder = tmp_path_factory.mktemp("storage")
    script = ROOT / "examples" / "quickstart" / "make_model.py"
    subprocess.run([sys.executable, str(script), str(folder)], check=True, timeout=SECONDS)
    return folder


def command(storage: Path, *more: str) -> list[str]:
    example = str(ROOT / "examples" / "quickstart.yaml")
    workspace = str(storage / "workspace")
    return [LATHE, "run", example, "--storage", str(storage), "--workspace", workspace, *more]


def test_the_example_is_interrupted_taken_up_again_and_found_done(storage: Path) -> None:
    interrupted_while("recover", storage)

    finished = subprocess.run(
        command(storage, "--output", "json"),
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert finished.returncode == 0, finished.stderr
    outcome = Outcome.model_validate_json(finished.stdout)
    taken_up = {step.name: step.cache for step in outcome.steps}
    assert (taken_up["halve"], taken_up["recover"]) == ("Hit", "Miss")
    came_of_it(outcome)
    everything_is_where_it_is_said_to_be(outcome, storage)

    again = subprocess.run(
        command(storage), capture_output=True, text=True, check=False, timeout=60
    )
    assert again.returncode == 0
    assert str(storage / "artifacts" / "digits") in again.stdout


def interrupted_while(step: str, storage: Path) -> None:
    """Press Ctrl-C when a step has begun."""
    with subprocess.Popen(command(storage), stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        lines = iter(running.stderr.readline, "")
        assert any(f" {step}" in line for line in lines)
        running.send_signal(signal.SIGINT)
        rest = list(lines)
        assert (running.wait(60), len(rest)) == (130, 1), rest


def came_of_it(outcome: Outcome) -> None:
    """Smaller, faster, and as good as the samples can tell."""
    found = {(metric.target, metric.name): metric for metric in outcome.metrics}
    assert outcome.gates is Reason.ALL_GATES_PASSED
    assert (found["cpu", Metric.SIZE_BYTES].ratio or 1) < 0.25
    assert (found["rtx", Metric.SIZE_BYTES].ratio or 1) < 1
    assert (found["cpu", Metric.PARAMS].ratio or 1) < 0.55
    assert ("rtx", Metric.LATENCY_P50) not in found
    assert [target.executed for target in outcome.targets] == [True, False]


def everything_is_where_it_is_said_to_be(outcome: Outcome, storage: Path) -> None:
    folder = storage / "artifacts" / "digits"
    for artifact in outcome.artifacts:
        path = storage / artifact.uri.removeprefix("s3://")
        assert path.stat().st_size == artifact.bytes
    pointer = json.loads((folder / "latest.json").read_text())
    assert outcome.manifest_uri in pointer.values()
    assert (storage / str(outcome.report_uri).removeprefix("s3://")).is_file()
