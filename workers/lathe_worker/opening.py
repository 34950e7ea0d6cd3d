"""Opening what was fetched: the model and the data sets, before any step runs."""

import shutil
from collections.abc import Iterable

from lathe_api.plan import Plan
from lathe_api.v1alpha1.spec import Model
from lathe_steps.base import TensorSpec
from lathe_steps.toolchains.source import SourceModel
from lathe_worker.apart import Limits
from lathe_worker.bench import Bench, DatasetFile, OpenDatasets, Opened, OpenModel
from lathe_worker.fetch import Fetched, Inputs
from lathe_worker.settings import WorkerSettings
from lathe_worker.workspace import Workspace

GIB = 1024**3
MEMORY, MEMORY_PER_BYTE, MEMORY_PER_THREAD = 4 * GIB, 8, GIB // 16
"""Bytes that may be allocated to check a model: by toolchains, and for each byte and thread."""
FILE, FILE_PER_BYTE = GIB, 2
"""Bytes of the largest file that may be written meanwhile."""
READ_IN_PLACE = frozenset({"Safetensors", "WebDataset", "ImageFolder"})
"""Formats of data sets that are read where they were fetched to, for as long as the run lasts."""


def open_inputs(
    plan: Plan, inputs: Inputs, settings: WorkerSettings, space: Workspace, bench: Bench
) -> Opened:
    """Check the model, then every data set against it.

    What was fetched is taken away, but for data sets that are read in place: the model is written
    again in Lathe's own form, other data sets are unpacked, and nothing should lie in the
    workspace twice.

    Raises:
        BadInput: The model or a data set is not what the plan says.
    """
    opened = bench.open_model(
        OpenModel(
            uri=plan.model.uri,
            source=_source(plan.model, inputs.model),
            out=space.fresh("model"),
            limits=limits_of(inputs.model.listed.bytes, settings),
        )
    )
    if inputs.datasets:
        bench.open_datasets(
            OpenDatasets(
                datasets=tuple(
                    DatasetFile(ref=ref, file=fetched.path, scratch=space.fresh(f"data-{ref.name}"))
                    for ref, fetched in inputs.datasets
                ),
                inputs=opened.inputs,
                lean=settings.lean,
                evaluated=plan.evaluation.dataset if plan.evaluation else None,
            )
        )
    unpacked = (fetched for ref, fetched in inputs.datasets if ref.format not in READ_IN_PLACE)
    _take_away([inputs.model, *unpacked])
    return opened


def limits_of(size: int, settings: WorkerSettings) -> Limits:
    """What checking a model of so many bytes may use."""
    return Limits(
        memory=MEMORY + MEMORY_PER_BYTE * size + MEMORY_PER_THREAD * settings.threads,
        cpu=int(settings.open_timeout * settings.threads),
        file=FILE + FILE_PER_BYTE * size,
    )


def _source(model: Model, fetched: Fetched) -> SourceModel:
    architecture = model.architecture
    return SourceModel(
        format=model.format,
        path=fetched.path,
        architecture=architecture.ref if architecture else None,
        args=architecture.args if architecture else None,
        inputs=tuple(
            TensorSpec(declared.name, declared.dtype, declared.shape)
            for declared in model.inputs or ()
        ),
    )


def _take_away(fetched: Iterable[Fetched]) -> None:
    for each in fetched:
        shutil.rmtree(each.path if each.path.is_dir() else each.path.parent)
