"""Opens the storage that a resource, or `lathe run --storage`, names."""

import os
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from lathe_api.v1alpha1.storage import Storage
from lathe_worker.local_store import LocalStore
from lathe_worker.s3.settings import s3_settings
from lathe_worker.store import Store


@contextmanager
def open_store(
    storage: Storage, environment: Mapping[str, str], *, root: Path | None = None
) -> Iterator[Store]:
    """Open s3:// for the length of a run: below `root` if it is given, else as `storage` says.

    `environment` is the process's; see `s3_settings` for the variables that count.

    Raises:
        BadInput: AccessDenied, when there are no credentials where they should be.
        InvalidSpec: The storage block does not make sense here.
    """
    if root is not None:
        yield LocalStore(root)
        return
    # boto3 takes a third of a second to import, and a run in a folder has no use for it.
    from lathe_worker.s3.store import S3Store  # noqa: PLC0415

    settings = s3_settings(storage.s3, environment, processors=os.cpu_count() or 1)
    with closing(S3Store(settings)) as store:
        yield store
