"""A real S3 server with a small model and data in it, for the tests of the worker."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.s3_server import S3Server, s3_server
from tests.small_models import write_images, write_onnx, write_torch


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """SeaweedFS with models and data; each test writes below an output of its own."""
    folder = tmp_path_factory.mktemp("objects")
    objects = {
        "models/torch/model.safetensors": write_torch(folder / "model.safetensors"),
        "models/onnx/model.onnx": write_onnx(folder / "model.onnx"),
        "models/cut/model.onnx": cut(folder / "model.onnx", folder / "cut.onnx"),
        "data/train.npz": write_images(folder / "train.npz", 900, seed=1),
        "data/calib.npz": write_images(folder / "calib.npz", 60, seed=2),
        "data/val.npz": write_images(folder / "val.npz", 200, seed=3),
    }
    with s3_server(["models", "data", "artifacts"]) as running:
        with running.client() as client:
            for name, path in objects.items():
                bucket, _, key = name.partition("/")
                client.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())
        yield running


def cut(whole: Path, to: Path) -> Path:
    """A file without its second half."""
    content = whole.read_bytes()
    to.write_bytes(content[: len(content) // 2])
    return to
