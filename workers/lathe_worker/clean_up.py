"""The program of a clean-up: removes what a deleted resource's runs have published, and no more."""

import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import ValidationError

from lathe_api.clean_up import CleanUp
from lathe_api.outcome import Outcome
from lathe_steps.errors import BadInput, InvalidSpec
from lathe_steps.reasons import ExitCode, Reason
from lathe_worker.digests import FOLDER_DIGITS
from lathe_worker.errors import classify, outcome_of
from lathe_worker.kept import FOLDER
from lathe_worker.main import storage_environment, tell
from lathe_worker.manifest import LIMIT, NAME, Manifest
from lathe_worker.publish import REJECTED
from lathe_worker.storage import open_store
from lathe_worker.store import Store, StoredObject

POINTER_LIMIT = 64 * 1024
"""Most bytes of a pointer that is worth reading."""

log = logging.getLogger(__name__)


def main() -> None:
    """Remove what the environment names, and say how that ended."""
    environ = dict(os.environ)  # noqa: TID251 - this is the program's main
    logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    outcome = outcome_in(environ)
    tell(outcome, Path(environ.get("LATHE_TERMINATION_LOG", "/dev/termination-log")))
    sys.exit(outcome.exit_code)


def outcome_in(environ: Mapping[str, str]) -> Outcome:
    """How the clean-up ends that the environment describes; raises nothing."""
    try:
        asked = read(Path(environ.get("LATHE_PLAN", "/etc/lathe/plan.json")))
        with open_store(asked.storage, storage_environment(environ)) as store:
            clean_up(asked, store)
    except (Exception, KeyboardInterrupt) as error:
        log.debug("the clean-up stopped", exc_info=True)
        return outcome_of(classify(error))
    return Outcome(exit_code=ExitCode.OK)


def read(path: Path) -> CleanUp:
    """Read and validate what is to be removed.

    Raises:
        InvalidSpec: It is nothing that this worker understands.
    """
    try:
        return CleanUp.model_validate(json.loads(path.read_bytes()))
    except (OSError, ValueError, ValidationError) as error:
        raise InvalidSpec(
            f"{path} does not say what is to be removed ({type(error).__name__}); use the worker "
            "image that belongs to the operator"
        ) from error


def clean_up(asked: CleanUp, store: Store) -> None:
    """Remove the results of runs; doing it again is as good.

    The pointer goes first, then the manifest, so that nobody takes half of a result for whole. A
    result that another resource has published is left to it.

    Raises:
        Stopped: What is left could not be removed.
    """
    remove_pointer(asked, store)
    for key in asked.keys:
        for under in ("", REJECTED):
            remove_result(asked, f"{asked.output}{under}{key[:FOLDER_DIGITS]}/", store)


def remove_pointer(asked: CleanUp, store: Store) -> None:
    """Remove the pointer, if it leads to one of the runs."""
    uri = f"{asked.output}{asked.pointer}"
    if asked.pointer is None or not store.exists(uri):
        return
    try:
        leads_to = json.loads(store.read_bytes(uri, limit=POINTER_LIMIT))["runKey"]
    except (ValueError, TypeError, KeyError):
        return  # nothing that we have written
    if leads_to in asked.keys:
        store.remove([store.stat(uri)])


def remove_result(asked: CleanUp, folder: str, store: Store) -> None:
    """Remove a folder and the steps that were made for it, unless it is another resource's."""
    found = listed(folder, store)
    manifest = manifest_in(found, store)
    if manifest and (manifest.plan.namespace, manifest.plan.name) != (asked.namespace, asked.name):
        log.info("%s is left to %s/%s", folder, manifest.plan.namespace, manifest.plan.name)
        return
    store.remove([each for each in found if each.name == NAME])
    for steps in steps_of(manifest, asked):
        store.remove(listed(steps, store))
    store.remove([each for each in found if each.name != NAME])
    if found:
        log.info("removed %s", folder)


def listed(prefix: str, store: Store) -> tuple[StoredObject, ...]:
    """What is below a prefix, which may be nothing."""
    try:
        return store.list(prefix)
    except BadInput as stopped:
        if stopped.reason is not Reason.EMPTY_PREFIX:
            raise
        return ()


def manifest_in(found: tuple[StoredObject, ...], store: Store) -> Manifest | None:
    """The manifest among what was found, if it can be read."""
    uris = [each.uri for each in found if each.name == NAME]
    if not uris:
        return None
    try:
        return Manifest.model_validate_json(store.read_bytes(uris[0], limit=LIMIT))
    except ValidationError:
        return None


def steps_of(manifest: Manifest | None, asked: CleanUp) -> Iterator[str]:
    """Where the steps are kept that the run itself has made; taken-up ones are another's."""
    for step in manifest.steps if manifest else ():
        if step.cache == "Miss" and len(step.key) == len(asked.keys[0]) and step.key.isalnum():
            yield f"{asked.output}{FOLDER}{step.key}/"


if __name__ == "__main__":
    main()
