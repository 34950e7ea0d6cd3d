"""A run that is killed in the middle of training goes on there, and ends with the same bytes."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from lathe_api.outcome import Outcome
from tests.small_models import write_images, write_torch

pytestmark = pytest.mark.toolchain

LATHE = str(Path(sys.executable).with_name("lathe"))
SECONDS = 540
FAR_ENOUGH = 20
"""Batches of 64 after which the run is killed; it saves after every 5."""


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    spec = {
        "model": {
            "uri": "s3://models/digits/",
            "format": "Safetensors",
            "architecture": {"ref": "lathe.small_cnn", "args": {"width": 8}},
            "inputs": [{"name": "x", "shape": ["batch", 1, 8, 8]}],
        },
        "datasets": [
            {"name": name, "uri": f"s3://data/{name}.npz", "format": "NPZ", "labels": "labels"}
            for name in ("train", "early")
        ],
        "steps": [
            {
                "name": "train",
                "finetune": {
                    "dataset": "train",
                    "epochs": 8,
                    "batchSize": 32,
                    "checkpointEvery": 5,
                    "earlyStop": {"dataset": "early", "patience": 8},
                },
            }
        ],
        "output": {"uri": "s3://artifacts/digits/"},
    }
    file = tmp_path / "manifest.yaml"
    document = {"apiVersion": "lathe.dev/v1alpha1", "kind": "ModelOptimization"}
    file.write_text(yaml.safe_dump({**document, "metadata": {"name": "digits"}, "spec": spec}))
    return file


def a_storage(folder: Path) -> Path:
    write_torch(folder / "models" / "digits" / "model.safetensors")
    write_images(folder / "data" / "train.npz", 256)
    write_images(folder / "data" / "early.npz", 64, seed=1)
    return folder


def command(manifest: Path, storage: Path) -> list[str]:
    where = ["--storage", str(storage), "--workspace", str(storage / "workspace")]
    return [LATHE, "run", str(manifest), "--output", "json", *where]


def finished(manifest: Path, storage: Path) -> tuple[Outcome, list[str]]:
    done = subprocess.run(
        command(manifest, storage), capture_output=True, text=True, check=False, timeout=SECONDS
    )
    assert done.returncode == 0, done.stderr
    return Outcome.model_validate_json(done.stdout), done.stderr.splitlines()


def batches(line: str) -> tuple[int, int] | None:
    found = re.search(r"batch (\d+)/(\d+)", line)
    return (int(found[1]), int(found[2])) if found else None


def test_it_goes_on_where_it_was_and_ends_as_if_nothing_had_happened(
    manifest: Path, tmp_path: Path
) -> None:
    undisturbed, _ = finished(manifest, a_storage(tmp_path / "undisturbed"))
    storage = a_storage(tmp_path / "disturbed")

    with subprocess.Popen(
        command(manifest, storage), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stderr is not None
        for line in iter(running.stderr.readline, ""):
            if (seen := batches(line)) and seen[0] >= FAR_ENOUGH:
                break
        running.send_signal(signal.SIGKILL)
        assert running.wait(60) == -signal.SIGKILL
    outcome, lines = finished(manifest, storage)

    (step,) = (step for step in outcome.steps if step.name == "train")
    assert step.cache == "Miss"
    first = next(seen for line in lines if (seen := batches(line)))
    assert first[0] > FAR_ENOUGH - 5
    digests = [[artifact.digest for artifact in each.artifacts] for each in (undisturbed, outcome)]
    assert digests[0] == digests[1]
