"""The steps of a spec as chains, one for each target, and what is found in them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from lathe_api.plan import DEFAULT_TARGET
from lathe_api.v1alpha1.spec import ModelOptimizationSpec, Target
from lathe_api.v1alpha1.steps import StepEntry


@dataclass(frozen=True, slots=True)
class Finding:
    """Why a spec cannot be run.

    Attributes:
        path: Where in the spec, such as steps[3].quantize.
        message: What is wrong there, and what to do.
        root: The part of the resource that the path begins in; empty for the resource itself.
    """

    path: str
    message: str
    root: str = "spec"

    def __str__(self) -> str:
        """One line for conditions and terminals."""
        place = ".".join(part for part in (self.root, self.path) if part)
        return f"{place}: {self.message}" if place else self.message


@dataclass(frozen=True, slots=True)
class Place:
    """A step and where it stands."""

    path: str
    entry: StepEntry = field(hash=False)  # it may hold arguments, which have no hash
    own: bool
    """Whether it is one of a target's own steps, before which an export is added."""

    @property
    def spelled(self) -> str:
        """Its path and kind, as findings name it."""
        return f"{self.path}.{self.entry.kind}"


Check = Callable[[ModelOptimizationSpec], Iterator[Finding]]


def chains(spec: ModelOptimizationSpec) -> Iterator[tuple[Target, list[Place]]]:
    """The whole chain of each target, as if it were alone."""
    common = [Place(f"steps[{i}]", entry, own=False) for i, entry in enumerate(spec.steps)]
    for t, target in enumerate(spec.targets or (DEFAULT_TARGET,)):
        own = [
            Place(f"targets[{t}].steps[{i}]", entry, own=True)
            for i, entry in enumerate(target.steps)
        ]
        yield target, common + own


def once(found: Iterator[Finding]) -> Iterator[Finding]:
    """Each finding once: common steps stand in the chains of all targets."""
    yield from dict.fromkeys(found)
