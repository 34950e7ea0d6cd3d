"""The port to the toolchains: models are parsed, changed and run behind it, never in front."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal, Protocol

from lathe_api.v1alpha1.datasets import DatasetRef
from lathe_api.v1alpha1.evaluation import Evaluation
from lathe_api.v1alpha1.steps import StepEntry
from lathe_steps.base import Artifact, Parameters, Runtime, TensorSpec
from lathe_steps.build_engine import BuildEngine
from lathe_steps.toolchains.source import SourceModel
from lathe_worker.apart import Limits
from lathe_worker.measured import Candidate, Measured, Passed

Progress = Callable[[float, str], None]
"""Called with the share done, 0 to 1, and a short message."""
Keep = Callable[[Path], None]
"""Called with a folder that a step saved; it may take the folder away."""


class Wanted(Parameters):
    """A step that will be asked for."""

    name: str
    """What messages call it."""
    entry: StepEntry | BuildEngine
    """The step."""
    runtimes: tuple[Runtime, ...]
    """What its result is for."""


class Require(Parameters):
    """Look whether steps can be done here."""

    command: Literal["require"] = "require"
    steps: tuple[Wanted, ...]
    """The steps."""


class OpenModel(Parameters):
    """Check a model that nobody vouches for, and write it again in Lathe's own form."""

    command: Literal["openModel"] = "openModel"
    uri: str
    """Where it came from, for messages."""
    source: SourceModel
    """The model in the workspace."""
    out: Path
    """An empty directory."""
    limits: Limits
    """What checking it may use."""


class Opened(Parameters):
    """A model that was checked."""

    artifact: Artifact
    """Its files, in Lathe's own form."""
    inputs: tuple[TensorSpec, ...]
    """What it takes."""


class DatasetFile(Parameters):
    """A data set in the workspace."""

    ref: DatasetRef
    """How it is to be read."""
    file: Path
    """Where it is: the file, or the directory with what its prefix holds."""
    scratch: Path
    """An empty directory for what is unpacked."""


class OpenDatasets(Parameters):
    """Check all data sets against the model, before any step runs, and keep them open."""

    command: Literal["openDatasets"] = "openDatasets"
    datasets: tuple[DatasetFile, ...]
    """The data sets."""
    inputs: tuple[TensorSpec, ...]
    """What the model takes."""
    lean: bool = False
    """Whether they are to be read in smaller batches."""
    evaluated: str | None = None
    """Name of the one that is measured on, which must share no sample with the others."""


class ApplyStep(Parameters):
    """Run one step, or build an engine."""

    command: Literal["applyStep"] = "applyStep"
    name: str
    """What messages call it."""
    entry: StepEntry | BuildEngine
    """The step."""
    artifact: Artifact
    """What it changes."""
    source: Artifact
    """The input model."""
    inputs: tuple[TensorSpec, ...]
    """What the model takes."""
    out: Path
    """An empty directory."""
    runtimes: tuple[Runtime, ...]
    """What the result is for."""
    seed: int
    """Makes training and sampling repeatable."""
    threads: int
    """CPU threads to use."""
    lean: bool = False
    """Whether to need less memory."""
    checkpoints: Path
    """An empty directory, for what the step saves meanwhile."""
    resume: Path | None = None
    """What an earlier attempt at the step saved last."""


class Measure(Parameters):
    """Measure results against the input model."""

    command: Literal["measure"] = "measure"
    evaluation: Evaluation
    """What is measured, and on which data set."""
    source: Artifact
    """The input model."""
    baseline: Artifact
    """The input model as ONNX."""
    candidates: tuple[Candidate, ...]
    """The results."""
    path: tuple[Passed, ...] = ()
    """What the steps had made, in the plan's order."""
    threads: int
    """CPU threads of every call."""


class Bench(Protocol):
    """Where models are parsed and toolchains run, one request at a time.

    Every method raises `lathe_steps.errors.Stopped`, whatever happens behind it.
    """

    def require(self, request: Require) -> None:
        """Look whether steps can be done here, before anything is done.

        Raises:
            InvalidSpec: RuntimeUnavailable, or what a toolchain does not know.
        """
        ...

    def open_model(self, request: OpenModel) -> Opened:
        """Check a model; limits on time and memory hold.

        Raises:
            BadInput: InvalidModel, UnsafeModel, ShapeMismatch…; also when the parser crashes.
        """
        ...

    def open_datasets(self, request: OpenDatasets) -> None:
        """Check data sets and keep them open for the requests that follow.

        Raises:
            BadInput: InvalidDataset, ShapeMismatch.
        """
        ...

    def apply(self, request: ApplyStep, progress: Progress, keep: Keep) -> Artifact:
        """Run a step.

        The artifact lies below the request's `out`, what is kept meanwhile below `checkpoints`.
        """
        ...

    def measure(self, request: Measure, progress: Progress) -> Measured:
        """Measure results on an open data set."""
        ...

    def close(self) -> None:
        """End whatever is running; can be called at any time, and twice."""
        ...
