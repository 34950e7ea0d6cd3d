"""Bringing the model and the data sets of a plan into the workspace, and naming what came."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lathe_api.plan import Plan
from lathe_api.v1alpha1.datasets import DatasetRef
from lathe_api.v1alpha1.spec import Digest, Model
from lathe_steps.errors import BadInput
from lathe_steps.reasons import Reason
from lathe_worker.digests import Given, described, model_digest, of_files
from lathe_worker.manifest import InputRecord
from lathe_worker.store import Store, StoredObject
from lathe_worker.workspace import Workspace

Progress = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class Listed:
    """An input as storage describes it, before any byte is moved.

    Attributes:
        name: Of the data set, or "model".
        uri: As the plan names it.
        objects: What it consists of; all of what a prefix holds.
    """

    name: str
    uri: str
    objects: tuple[StoredObject, ...]

    @property
    def bytes(self) -> int:
        """Size of all objects."""
        return sum(one.size for one in self.objects)


@dataclass(frozen=True, slots=True)
class Listing:
    """Every input of a plan, before any byte is moved."""

    model: Listed
    datasets: tuple[tuple[DatasetRef, Listed], ...]

    @property
    def all(self) -> tuple[Listed, ...]:
        """The model, then the data sets."""
        return (self.model, *(listed for _, listed in self.datasets))

    def given(self, plan: Plan, digests: Sequence[Digest]) -> Given:
        """What the steps of a plan are given, when these are the digests of all inputs."""
        model, *rest = digests
        pairs = zip(self.datasets, rest, strict=True)
        return Given(
            model=model_digest(plan.model, model),
            datasets={ref.name: described(ref, digest) for (ref, _), digest in pairs},
            seed=plan.seed,
        )


@dataclass(frozen=True, slots=True)
class Fetched:
    """An input that lies in the workspace.

    Attributes:
        listed: What it is.
        path: The file, or the directory with everything that its prefix holds.
        digest: sha256 of the object; for a prefix, of the names and digests of its objects.
    """

    listed: Listed
    path: Path
    digest: Digest


@dataclass(frozen=True, slots=True)
class Inputs:
    """Every input of a plan, in the workspace."""

    model: Fetched
    datasets: tuple[tuple[DatasetRef, Fetched], ...]

    @property
    def all(self) -> tuple[Fetched, ...]:
        """The model, then the data sets."""
        return (self.model, *(fetched for _, fetched in self.datasets))

    @property
    def digests(self) -> tuple[Digest, ...]:
        """Of all of them."""
        return tuple(fetched.digest for fetched in self.all)

    def told(self) -> tuple[InputRecord, ...]:
        """What is written down about them."""
        return tuple(
            InputRecord(
                name=it.listed.name, uri=it.listed.uri, digest=it.digest, bytes=it.listed.bytes
            )
            for it in self.all
        )


def look(plan: Plan, store: Store) -> Listing:
    """Look at every input that a step or the evaluation needs.

    Raises:
        BadInput: One is missing, empty or forbidden.
    """
    return Listing(
        _listed("model", plan.model.uri, store),
        tuple((ref, _listed(ref.name, ref.uri, store)) for ref in used(plan)),
    )


def _listed(name: str, uri: str, store: Store) -> Listed:
    return Listed(name, uri, store.list(uri) if uri.endswith("/") else (store.stat(uri),))


def used(plan: Plan) -> tuple[DatasetRef, ...]:
    """The data sets that a step or the evaluation needs."""
    entries = [*plan.steps, *(entry for target in plan.targets for entry in target.steps)]
    names = {name for entry in entries for name in entry.step.dataset_names()}
    if plan.evaluation is not None:
        names.add(plan.evaluation.dataset)
    return tuple(ref for ref in plan.datasets if ref.name in names)


def fetch(
    model: Model, listing: Listing, store: Store, workspace: Workspace, progress: Progress
) -> Inputs:
    """Bring every input, once it is sure that all of them fit.

    Raises:
        BadInput: DigestMismatch for another model than the pinned one.
        InvalidSpec: WorkspaceTooSmall.
        Transient: DiskFull, ObjectChanged, StorageUnavailable.
    """
    need = sum(listed.bytes for listed in listing.all)
    workspace.require(need, "fetching " + ", ".join(listed.uri for listed in listing.all))
    tally = _Tally(need, progress)
    pinned = require_pinned(model, _fetched(listing.model, store, workspace, tally))
    datasets = (
        (ref, _fetched(listed, store, workspace, tally)) for ref, listed in listing.datasets
    )
    return Inputs(pinned, tuple(datasets))


def _fetched(listed: Listed, store: Store, workspace: Workspace, tally: "_Tally") -> Fetched:
    folder = workspace.fresh(f"fetch-{listed.name}")
    transfers = store.download_all(listed.objects, folder, progress=tally.of(listed))
    tally.done(listed)
    if not listed.uri.endswith("/"):
        return Fetched(listed, transfers[0].path, transfers[0].digest)
    digest = of_files({one.object.name: one.digest for one in transfers})
    return Fetched(listed, folder, digest)


def require_pinned(model: Model, fetched: Fetched) -> Fetched:
    """Refuse another model than the one that the plan pins, as BadInput DigestMismatch."""
    if model.digest not in {None, fetched.digest}:
        raise BadInput(
            f"{model.uri} is {fetched.digest}, not {model.digest} as spec.model.digest says; "
            "restore the model, or change the digest",
            reason=Reason.DIGEST_MISMATCH,
        )
    return fetched


class _Tally:
    """Bytes of all inputs together, as a share."""

    def __init__(self, total: int, progress: Progress) -> None:
        self._total = max(total, 1)
        self._progress = progress
        self._before = 0

    def of(self, listed: Listed) -> Callable[[int], None]:
        """What to call with the bytes of one input that have come."""
        return lambda count: self._progress((self._before + count) / self._total, listed.uri)

    def done(self, listed: Listed) -> None:
        """Take note of an input that has come."""
        self._before += listed.bytes
