"""The quickstart's model and data: made once, then copied into an S3 server."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from e2e.demo.s3_pod import Storage
from e2e.localcluster.images import REPOSITORY
from e2e.localcluster.processes import run
from lathe_api.v1alpha1 import storage as api
from lathe_worker.storage import open_store
from lathe_worker.store import Store

MAKE_MODEL = REPOSITORY / "examples" / "quickstart" / "make_model.py"


def make(folder: Path) -> Path:
    """Train the small model and split its data below `folder`, unless they are there."""
    if not (folder / "models").is_dir() or not (folder / "data").is_dir():
        run(sys.executable, MAKE_MODEL, folder)
    return folder


@contextmanager
def opened(storage: Storage) -> Iterator[Store]:
    """The server, as this process reaches it."""
    environment = {
        "AWS_ACCESS_KEY_ID": storage.access_key,
        "AWS_SECRET_ACCESS_KEY": storage.secret_key,
    }
    s3 = api.S3(endpoint=storage.outside, addressing_style="Path")
    with open_store(api.Storage(s3=s3), environment) as store:
        yield store


def upload(folder: Path, storage: Storage) -> None:
    """Copy the model and its data to the server, under the names they have in the folder."""
    with opened(storage) as store:
        for bucket in ("models", "data"):
            store.upload_all(folder / bucket, f"s3://{bucket}/")
