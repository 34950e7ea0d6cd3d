"""The vocabulary's grammar: what a step is, what it reads and writes, and what it is given."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic.alias_generators import to_camel

from lathe_steps.evidence import Evidence

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule in both of its spellings, so that API server and worker cannot disagree.

    Attributes:
        cel: The rule for the API server, about `self` (and `oldSelf` for a transition rule).
        message: What the user reads when it is broken.
        holds: The same rule in Python; None for a transition rule, which only the server can see.
    """

    cel: str
    message: str
    holds: Callable[[Any], bool] | None = None


class Parameters(BaseModel):
    """Immutable, strict about names, camelCase outside: the base of everything users write."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        use_attribute_docstrings=True,
    )

    exactly_one_of: ClassVar[tuple[str, ...]] = ()
    """Names of the members of a union: exactly one of them is given."""
    rules: ClassVar[tuple[Rule, ...]] = ()

    @classmethod
    @cache
    def every_rule(cls) -> tuple[Rule, ...]:
        """The rules of this type, the one about its union members included."""
        if not cls.exactly_one_of:
            return cls.rules
        aliases = [cls.model_fields[name].alias or name for name in cls.exactly_one_of]
        members = ", ".join(f"has(self.{alias})" for alias in aliases)
        names = cls.exactly_one_of
        union = Rule(
            cel=f"[{members}].filter(given, given).size() == 1",
            message=f"give exactly one of: {', '.join(aliases)}",
            holds=lambda it: sum(getattr(it, name) is not None for name in names) == 1,
        )
        return (union, *cls.rules)

    @model_validator(mode="after")
    def _keeps_its_rules(self) -> Self:
        for rule in type(self).every_rule():
            if rule.holds is not None and not rule.holds(self):
                raise ValueError(rule.message)
        return self


class Format(StrEnum):
    """What a step reads or writes."""

    TORCH = "Torch"
    ONNX = "ONNX"
    ENGINE = "Engine"
    ARCHIVE = "Archive"
    """Packed weights, for storage alone: `lathe unpack` gives back what was packed."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A model on disk between two steps.

    Attributes:
        format: How its files are to be read.
        path: The directory that holds all of its files and nothing else.
        entry: Names of the files that a user loads, relative to `path`; the first is the main one
            (`model.safetensors`, `model.onnx`, or one engine per file).
        facts: What the step found out, for the report: numbers with their unit in the name.
        evidence: What figures of the report are drawn from.
    """

    format: Format
    path: Path
    entry: tuple[str, ...]
    facts: Mapping[str, float | int | str] = field(default_factory=dict)
    evidence: tuple[Evidence, ...] = ()

    @property
    def main(self) -> Path:
        """The file that a user loads first."""
        return self.path / self.entry[0]

    @property
    def size(self) -> int:
        """Bytes of all files that a user needs to load it."""
        return sum(file.stat().st_size for file in self.path.rglob("*") if file.is_file())


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input of a model.

    Attributes:
        name: As the model calls it.
        dtype: A numpy name, such as float32 or int64.
        shape: A size per axis; a string is a dynamic axis, and names it.
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...]


LEAN_PARTS = 4
"""Into how many parts batches are taken where memory is short."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples side by side: every array's first axis is the sample."""

    inputs: Mapping[str, np.ndarray]
    labels: np.ndarray | None


class Dataset(Protocol):
    """Samples that a run declared, in a fixed order."""

    @property
    def name(self) -> str:
        """As the resource calls it."""

    def __len__(self) -> int:
        """How many samples there are."""

    def batches(
        self, size: int, *, shuffle: int | None = None, limit: int | None = None
    ) -> Iterator[Batch]:
        """Yield batches of at most `size` samples.

        Args:
            size: Samples per batch; the last batch may be smaller.
            shuffle: Seed of a deterministic order; None keeps the order of the data set.
            limit: Take only so many samples, evenly spread over the data set.
        """


@dataclass(frozen=True, slots=True)
class Runtime:
    """What the finished model will run on.

    Attributes:
        name: ONNXRuntime, TensorRT or TensorRTRTX.
        isa: Feature flags of the CPU that matter to kernels (avx2, avx512_vnni, avx_vnni…).
        pinned: Whether the user says that it runs on no CPU without these; else they are those of
            the machine that does the work.
    """

    name: str
    isa: frozenset[str] = frozenset()
    pinned: bool = False


class Checkpoints(Protocol):
    """Where a step that takes long keeps how far it is, so that a killed one goes on there.

    What is found again was saved by the same step with the same parameters, input, samples, seed
    and versions; what the files are is the step's own business.
    """

    def latest(self) -> Path | None:
        """The folder that was saved last; None at the first attempt. It may be changed."""

    def save(self, write: Callable[[Path], None]) -> None:
        """Let `write` fill an empty folder, and keep it instead of what was kept before."""


class NoCheckpoints:
    """Keeps nothing."""

    def latest(self) -> Path | None:
        """Nothing was kept."""
        return None

    def save(self, write: Callable[[Path], None]) -> None:
        """Keep nothing."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a step is given besides the artifact it changes.

    Attributes:
        out: A fresh, empty directory; the step writes only here.
        inputs: The model's inputs.
        datasets: The run's data sets by name.
        source: The input model, as it was before the first step (the teacher).
        runtimes: What the result is for: one runtime in a target's own steps, all of the
            targets' in the common steps.
        seed: Makes training and sampling repeatable.
        threads: CPU threads that the run may use.
        progress: Called with the share done, 0 to 1, and a short message.
        checkpoints: Keeps how far the step is, for steps that declare `checkpoints`.
        lean: Whether to need less memory, at the cost of time: a worker ran out of it before.
            Training takes each batch in `LEAN_PARTS`; its gradient is the same up to rounding,
            but normalisations that look at a whole batch see a part, and labels that are left
            out weigh a little differently. Data sets give smaller batches by themselves.
    """

    out: Path
    inputs: tuple[TensorSpec, ...]
    datasets: Mapping[str, Dataset]
    source: Artifact
    runtimes: tuple[Runtime, ...]
    seed: int
    threads: int
    progress: Callable[[float, str], None]
    checkpoints: Checkpoints = field(default_factory=NoCheckpoints)
    lean: bool = False


class Step(Parameters, ABC):
    """One change of a model: its parameters are its schema, its docs and its behaviour."""

    reads: ClassVar[Format]
    writes: ClassVar[Format]
    trains: ClassVar[bool] = False
    """Whether it updates weights by gradient."""
    lowers: ClassVar[bool] = False
    """Whether its result depends on `Context.runtimes`; only then are they part of its key."""
    checkpoints: ClassVar[bool] = False
    """Whether it saves to `Context.checkpoints`."""

    @classmethod
    def takes(cls, given: Format) -> bool:
        """Whether it reads this format; a step that reads several overrides this."""
        return given is cls.reads

    @classmethod
    def gives(cls, given: Format) -> Format:  # noqa: ARG003 - for steps that read several
        """What it writes when it is given this format."""
        return cls.writes

    def dataset_names(self) -> tuple[str, ...]:
        """Names of the data sets that the step needs."""
        return ()

    def labelled_datasets(self) -> tuple[str, ...]:
        """Names of the data sets that the step needs labels of."""
        return ()

    def require(self, runtimes: tuple[Runtime, ...]) -> None:
        """Look whether this worker can do the step, before hours go into the steps before it.

        Args:
            runtimes: As the step's context will have them.

        Raises:
            lathe_steps.errors.InvalidSpec: When it cannot, with what to change.
        """

    @abstractmethod
    def apply(self, artifact: Artifact, context: Context) -> Artifact:
        """Make the changed model under `context.out`.

        Raises:
            lathe_steps.errors.Stopped: With the reason and the line that the user gets.
        """
