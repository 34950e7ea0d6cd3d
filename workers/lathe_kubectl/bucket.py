"""What a run left in its bucket, read with the user's own credentials."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lathe_api.v1alpha1.storage import Storage
from lathe_kubectl.documents import Document, dig
from lathe_kubectl.refusal import Refusal
from lathe_worker.manifest import LIMIT
from lathe_worker.storage import open_store
from lathe_worker.store import Store


class Bucket:
    """The storage of a resource, as seen from the user's machine."""

    def __init__(
        self, resource: Document, environment: Mapping[str, str], endpoint: str = ""
    ) -> None:
        """Reach what `resource` names; with `endpoint`, by that address instead of its own."""
        told = dict(dig(resource, "spec", "storage", "s3") or {})
        told |= {"endpoint": endpoint} if endpoint else {}
        self._storage = Storage.model_validate({"s3": told})
        self._environment = environment

    def download(self, uri: str, to: Path) -> None:
        """Copy an object to a file.

        Raises:
            Refusal: Where the client of S3 is not installed.
            Stopped: With what to do, when it cannot be had.
        """
        with self._opened() as store:
            store.download(uri, to)

    def manifest(self, uri: str) -> dict[str, Any]:
        """Read a manifest; raises what `download` does."""
        with self._opened() as store:
            document: dict[str, Any] = json.loads(store.read_bytes(uri, limit=LIMIT))
        return document

    @contextmanager
    def _opened(self) -> Iterator[Store]:
        try:
            with open_store(self._storage, self._environment) as store:
                yield store
        except ModuleNotFoundError as missing:
            words = f"reading buckets needs {missing.name}: pip install boto3"
            raise Refusal(words) from missing
