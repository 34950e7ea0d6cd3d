"""Digests of inputs that were fetched before: a result that is there is found without fetching.

A note speaks of versions of objects, as storage names them (ETag), so it cannot become wrong. It
only helps to find a finished result: what a run works on is always fetched and hashed.
"""

from pydantic import ValidationError

from lathe_api.plan import Plan
from lathe_api.v1alpha1.spec import Digest
from lathe_steps.base import Parameters
from lathe_worker.digests import Given, of_document
from lathe_worker.fetch import Inputs, Listed, Listing
from lathe_worker.kept import FOLDER, Mode
from lathe_worker.store import Store

LIMIT = 64 * 1024
"""Most bytes of a note."""


class Note(Parameters):
    """What an input was found to be."""

    uri: str
    """Where it was."""
    digest: Digest
    """Its digest."""


class Notes:
    """The notes under one output's prefix."""

    def __init__(self, store: Store, output: str, mode: Mode) -> None:
        """Read and write below `output`, a prefix that ends in '/', as far as `mode` allows."""
        self._store = store
        self._prefix = f"{output}{FOLDER}inputs/"
        self._mode = mode

    def given(self, plan: Plan, listing: Listing) -> Given | None:
        """What a plan's steps would be given, if every input was fetched before.

        None as well when the model is not the pinned one; to say so is for who fetches it.
        """
        if self._mode == "Off":
            return None
        digests = []
        for listed in listing.all:
            if (digest := self._recall(listed)) is None:
                return None
            digests.append(digest)
        if plan.model.digest not in {None, digests[0]}:
            return None
        return listing.given(plan, digests)

    def keep(self, inputs: Inputs) -> None:
        """Take note of what was fetched."""
        if self._mode != "ReadWrite":
            return
        for fetched in inputs.all:
            note = Note(uri=fetched.listed.uri, digest=fetched.digest)
            self._store.write_bytes(self._uri(fetched.listed), note.model_dump_json().encode())

    def _recall(self, listed: Listed) -> Digest | None:
        uri = self._uri(listed)
        if not self._store.exists(uri):
            return None
        try:
            return Note.model_validate_json(self._store.read_bytes(uri, limit=LIMIT)).digest
        except ValidationError:
            return None

    def _uri(self, listed: Listed) -> str:
        versions = [[one.uri, one.size, one.etag] for one in listed.objects]
        return f"{self._prefix}{of_document(versions)}.json"
