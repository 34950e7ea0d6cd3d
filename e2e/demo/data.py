"""The quickstart's model and data: made once, then copied into an S3 server."""

import sys
from pathlib import Path

from e2e.demo.s3_pod import Storage
from e2e.localcluster.images import REPOSITORY
from e2e.localcluster.processes import run
from lathe_api.v1alpha1 import storage as api
from lathe_worker.storage import open_store

MAKE_MODEL = REPOSITORY / "examples" / "quickstart" / "make_model.py"


def make(folder: Path) -> Path:
    """Train the small model and split its data below `folder`, unless they are there."""
    if not (folder / "models").is_dir() or not (folder / "data").is_dir():
        run(sys.executable, MAKE_MODEL, folder)
    return folder


def upload(
    folder: Path, storage: Storage, *, buckets: tuple[str, ...] = ("models", "data")
) -> None:
    """Copy every file of the buckets' folders to the server, under the same names."""
    environment = {
        "AWS_ACCESS_KEY_ID": storage.access_key,
        "AWS_SECRET_ACCESS_KEY": storage.secret_key,
    }
    s3 = api.S3(endpoint=storage.outside, addressing_style="Path")
    with open_store(api.Storage(s3=s3), environment) as store:
        for bucket in buckets:
            store.upload_all(folder / bucket, f"s3://{bucket}/")
