"""The roster: every step that a resource can name, one line each."""

from functools import cached_property
from typing import ClassVar

from lathe_steps.base import Parameters, Step
from lathe_steps.cluster import Cluster
from lathe_steps.convert_precision import ConvertPrecision
from lathe_steps.distill import Distill
from lathe_steps.export import Export
from lathe_steps.factorize import Factorize
from lathe_steps.finetune import Finetune
from lathe_steps.fuse import Fuse
from lathe_steps.optimize import Optimize
from lathe_steps.pack import Pack
from lathe_steps.prune import Prune
from lathe_steps.quantize import Quantize
from lathe_steps.quantize_aware import QuantizeAware
from lathe_steps.replace_head import ReplaceHead
from lathe_steps.sensitivity import Sensitivity
from lathe_steps.simplify import Simplify
from lathe_steps.sparsify import Sparsify
from lathe_steps.words import Name

KINDS = (
    "sensitivity",
    "prune",
    "factorize",
    "replace_head",
    "sparsify",
    "cluster",
    "distill",
    "finetune",
    "quantize_aware",
    "fuse",
    "export",
    "simplify",
    "quantize",
    "convert_precision",
    "optimize",
    "pack",
)


class StepEntry(Parameters):
    """One step, by exactly one of the members below `name`."""

    exactly_one_of: ClassVar = KINDS

    name: Name | None = None
    """How status and report call the step; the kind of step when it is not given."""
    sensitivity: Sensitivity | None = None
    prune: Prune | None = None
    factorize: Factorize | None = None
    replace_head: ReplaceHead | None = None
    sparsify: Sparsify | None = None
    cluster: Cluster | None = None
    distill: Distill | None = None
    finetune: Finetune | None = None
    quantize_aware: QuantizeAware | None = None
    fuse: Fuse | None = None
    export: Export | None = None
    simplify: Simplify | None = None
    quantize: Quantize | None = None
    convert_precision: ConvertPrecision | None = None
    optimize: Optimize | None = None
    pack: Pack | None = None

    @cached_property
    def kind(self) -> str:
        """The member that is given, as users spell it."""
        name = next(kind for kind in KINDS if getattr(self, kind) is not None)
        return type(self).model_fields[name].alias or name

    @cached_property
    def step(self) -> Step:
        """The step itself."""
        step: Step = next(found for kind in KINDS if (found := getattr(self, kind)) is not None)
        return step
