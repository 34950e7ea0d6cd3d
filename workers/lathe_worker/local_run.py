"""A run on the user's own machine: the pipeline between a storage and a terminal."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lathe_api.outcome import Outcome
from lathe_api.plan import Plan
from lathe_api.v1alpha1.status import Failure
from lathe_steps.errors import BadInput
from lathe_steps.reasons import Reason
from lathe_worker import pipeline
from lathe_worker.addresses import Address
from lathe_worker.errors import classify
from lathe_worker.manifest import LIMIT, Manifest
from lathe_worker.progress import Reporter
from lathe_worker.settings import WorkerSettings, usable_threads
from lathe_worker.storage import open_store
from lathe_worker.store import Store

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended.

    Attributes:
        outcome: The outcome.
        manifest: What was published, under rejected/ too; None when nothing was.
    """

    outcome: Outcome
    manifest: Manifest | None = None


@dataclass(frozen=True, slots=True)
class LocalRun:
    """What `lathe run` does.

    Attributes:
        plan: What to do.
        storage: A folder whose folders are the buckets; None: the S3 service of the plan.
        workspace: Where work lies while the run goes on.
        threads: CPU threads; None: all there are.
        allow_state_dict: Whether a torch file may be read.
        environment: The process's, with credentials of storage.
    """

    plan: Plan
    storage: Path | None
    workspace: Path
    threads: int | None
    allow_state_dict: bool
    environment: Mapping[str, str]

    @property
    def log(self) -> Path:
        """What toolchains print."""
        return self.workspace / f"{self.plan.name}.log"

    def go(self, reporter: Reporter) -> Ended:
        """Run; whatever happens is told by the outcome."""
        try:
            self._prepare()
            with open_store(self.plan.storage, self.environment, root=self.storage) as store:
                outcome = pipeline.run(
                    self.plan,
                    store=store,
                    root=self.workspace,
                    reporter=reporter,
                    settings=self._settings(),
                )
                return Ended(outcome, _manifest(store, outcome))
        except (Exception, KeyboardInterrupt) as error:
            log.debug("the run could not begin, or its manifest not be read", exc_info=True)
            stopped = classify(error)
            failure = Failure(
                reason=stopped.reason, exit_code=stopped.exit_code, message=stopped.message
            )
            return Ended(Outcome(exit_code=stopped.exit_code, failure=failure))

    def locate(self, uri: str) -> str:
        """Where the user finds an object: a path with --storage, else its address."""
        if self.storage is None:
            return uri
        address = Address.of_object(uri)
        return str(self.storage / address.bucket / address.key)

    def _prepare(self) -> None:
        if self.storage is not None and not self.storage.is_dir():
            raise BadInput(
                f"--storage {self.storage}: there is no such folder; "
                "make it, with a folder in it for each bucket",
                reason=Reason.OBJECT_NOT_FOUND,
            )
        self.workspace.mkdir(parents=True, exist_ok=True)
        self.log.write_bytes(b"")

    def _settings(self) -> WorkerSettings:
        return WorkerSettings(
            threads=self.threads or usable_threads(),
            allow_state_dict=self.allow_state_dict,
            environment=self.environment,
            output=self.log,
        )


def _manifest(store: Store, outcome: Outcome) -> Manifest | None:
    if outcome.manifest_uri is None:
        return None
    return Manifest.model_validate_json(store.read_bytes(outcome.manifest_uri, limit=LIMIT))
