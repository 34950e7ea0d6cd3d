"""A disk that is full is what the user reads, whichever library met it."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lathe_api.plan import plan_of
from lathe_steps.reasons import ExitCode, Reason
from lathe_worker.local_store import LocalStore
from lathe_worker.pipeline import run
from lathe_worker.progress import NoReporter
from lathe_worker.settings import WorkerSettings
from tests.builders import FUSE, ONNX_MODEL, SIMPLIFY, TORCH_MODEL, ResourceBuilder, a_resource
from tests.small_models import write_onnx, write_torch

pytestmark = [
    pytest.mark.toolchain,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small disk"),
]


@pytest.fixture
def small_disk(tmp_path: Path, room: str) -> Iterator[Path]:
    """A disk with as little room as a test says."""
    path = tmp_path / "workspace"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={room}", "lathe-test", path], check=True)
    yield path
    subprocess.run(["umount", path], check=True)


ONNX = a_resource().with_(model=ONNX_MODEL).steps(SIMPLIFY)
SAFETENSORS = (
    a_resource()
    .with_(model={**TORCH_MODEL, "architecture": {"ref": "lathe.small_cnn", "args": {"width": 8}}})
    .steps(FUSE)
)


@pytest.mark.parametrize(
    ("stage", "room", "resource"),
    [
        pytest.param("Open", "200k", ONNX, id="while an ONNX model is checked"),
        pytest.param("simplify", "320k", ONNX, id="while an ONNX model is changed"),
        pytest.param("Open", "160k", SAFETENSORS, id="while a torch model is checked"),
        pytest.param("export", "240k", SAFETENSORS, id="while a torch model is exported"),
    ],
)
def test_a_full_disk_is_transient_and_named(
    stage: str, resource: ResourceBuilder, small_disk: Path, tmp_path: Path
) -> None:
    storage = tmp_path / "storage"
    write_onnx(storage / "models/digits/model.onnx", width=96)
    write_torch(storage / "models/digits/model.safetensors", width=8)
    if "ONNX" not in resource.spec["model"]["format"]:
        (storage / "models/digits/model.onnx").unlink()

    outcome = run(
        plan_of(resource.parsed(), namespace="team", name="digits"),
        store=LocalStore(storage),
        root=small_disk,
        reporter=NoReporter(),
        settings=WorkerSettings(threads=1),
    )

    assert outcome.failure is not None
    assert outcome.failure.step == stage
    assert (outcome.exit_code, outcome.failure.reason) == (ExitCode.TRANSIENT, Reason.DISK_FULL)
    assert str(small_disk) in outcome.failure.message
    assert list(small_disk.iterdir()) == []
    assert list(storage.rglob("manifest.json")) == []
