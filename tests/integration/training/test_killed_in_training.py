"""A run that is killed in the middle of training goes on there, and ends with the same bytes."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from e2e.localcluster.processes import wait_until
from lathe_api.outcome import Outcome
from tests.small_models import write_images, write_torch

pytestmark = pytest.mark.toolchain

LATHE = str(Path(sys.executable).with_name("lathe"))
SECONDS = 540
FAR_ENOUGH = 20
"""Batches of 96 after which the run is killed; it saves after every 5."""


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
                    "epochs": 12,
                    "batchSize": 32,
                    "checkpointEvery": 5,
                    "earlyStop": {"dataset": "early", "patience": 12},
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


def finished(manifest: Path, storage: Path) -> Outcome:
    done = subprocess.run(
        command(manifest, storage), capture_output=True, text=True, check=False, timeout=SECONDS
    )
    assert done.returncode == 0, done.stderr
    return Outcome.model_validate_json(done.stdout)


def saved(storage: Path) -> int:
    """After how many batches the last checkpoint in storage was made; 0 while there is none."""
    for pointer in storage.glob("artifacts/digits/.steps/*/checkpoint.json"):
        slot = json.loads(pointer.read_text())["slot"]
        document = json.loads((pointer.parent / f"checkpoint-{slot}" / "training.json").read_text())
        done: int = document["counts"]["done"]
        return done
    return 0


def test_it_goes_on_where_it_was_and_ends_as_if_nothing_had_happened(
    manifest: Path, tmp_path: Path
) -> None:
    undisturbed = finished(manifest, a_storage(tmp_path / "undisturbed"))
    storage = a_storage(tmp_path / "disturbed")

    with subprocess.Popen(
        command(manifest, storage), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as running:
        wait_until(lambda: saved(storage) >= FAR_ENOUGH, "a checkpoint", seconds=SECONDS)
        running.send_signal(signal.SIGKILL)
        assert running.wait(60) == -signal.SIGKILL
    before = saved(storage)
    with subprocess.Popen(
        command(manifest, storage), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as running:
        wait_until(lambda: saved(storage) != before, "another checkpoint", seconds=SECONDS)
        assert saved(storage) > before
        outcome = Outcome.model_validate_json(running.communicate(timeout=SECONDS)[0])

    (step,) = (step for step in outcome.steps if step.name == "train")
    assert step.cache == "Miss"
    ends = [[artifact.digest for artifact in each.artifacts] for each in (undisturbed, outcome)]
    assert ends[0] == ends[1]
