"""A plan as stages: what has to be done on different hardware is done in Jobs of its own."""

from collections.abc import Sequence
from dataclasses import dataclass

from lathe_api.plan import Plan, PlannedTarget
from lathe_api.v1alpha1.spec import GPU

COMPRESS = "compress"
"""The stage of the common steps, and of the targets that any node can make."""
PUBLISH = "publish"
"""The last stage, which reads what the others left."""
BUILD = "build"
"""The stages between them are build1, build2 and so on, in the order of the targets."""
WHOLE = "whole"
"""The only stage of a run whose targets can all be made on one node."""


@dataclass(frozen=True, slots=True)
class Hardware:
    """What a node has to have.

    Attributes:
        gpu: A GPU like this; None where any will do.
        isa: Features of its CPU, sorted.
    """

    gpu: GPU | None = None
    isa: tuple[str, ...] = ()

    def __str__(self) -> str:
        """As people call it."""
        cpu = f"CPU with {', '.join(self.isa)}" if self.isa else ""
        return " and ".join(word for word in (str(self.gpu) if self.gpu else "", cpu) if word)


ANY = Hardware()
"""What every node has."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of a run that one Job does.

    Attributes:
        name: Unique in the run, at most 7 characters behind the first stage: it ends Jobs' names.
        targets: Names of the targets that are made in it.
        hardware: Where.
    """

    name: str
    targets: tuple[str, ...]
    hardware: Hardware = ANY

    @property
    def is_first(self) -> bool:
        """Whether the others build on it."""
        return self.name in {WHOLE, COMPRESS}


def stages_of(plan: Plan) -> tuple[Stage, ...]:
    """The stages of a plan, in the order in which they can begin.

    One, where all targets can be made on one node; else the first makes what they share, then
    there is one for each hardware, and the last publishes.
    """
    needs = {target.name: hardware_of(target) for target in plan.targets}
    kinds = [each for each in dict.fromkeys(needs.values()) if each != ANY]
    if len(kinds) <= 1:
        return (Stage(WHOLE, tuple(needs), *kinds),)
    builds = (
        Stage(f"{BUILD}{number}", _needing(needs, hardware), hardware)
        for number, hardware in enumerate(kinds, 1)
    )
    return (Stage(COMPRESS, _needing(needs, ANY)), *builds, Stage(PUBLISH, ()))


def stage_named(plan: Plan, name: str) -> Stage | None:
    """The stage of that name."""
    return next((stage for stage in stages_of(plan) if stage.name == name), None)


def hardware_of(target: PlannedTarget) -> Hardware:
    """What a target has to be made on."""
    isa = tuple(sorted(set(target.cpu.isa))) if target.cpu else ()
    return Hardware(target.gpu, isa)


def targets_of(plan: Plan, names: Sequence[str]) -> tuple[PlannedTarget, ...]:
    """The targets of those names, in the order of the plan."""
    return tuple(target for target in plan.targets if target.name in names)


def _needing(needs: dict[str, Hardware], hardware: Hardware) -> tuple[str, ...]:
    return tuple(name for name, needed in needs.items() if needed == hardware)
