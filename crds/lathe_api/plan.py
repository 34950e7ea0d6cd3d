"""What is to be done, decided before anything runs: the private protocol of operator and worker."""

import hashlib
import json
from typing import Literal

from lathe_api.v1alpha1.datasets import DatasetRef
from lathe_api.v1alpha1.evaluation import Evaluation
from lathe_api.v1alpha1.spec import (
    CPU,
    GPU,
    Model,
    ModelOptimizationSpec,
    Output,
    Target,
)
from lathe_api.v1alpha1.steps import StepEntry
from lathe_api.v1alpha1.storage import Storage
from lathe_steps.base import Format, Parameters
from lathe_steps.build_engine import BuildEngine
from lathe_steps.export import Export

ANNOTATION = "lathe.dev/plan"
"""The pod's annotation that carries the plan; the downward API makes it a file."""


class PlannedTarget(Parameters):
    """One target, with every step that is its own."""

    name: str
    runtime: Literal["ONNXRuntime", "TensorRT", "TensorRTRTX"]
    gpu: GPU | None = None
    cpu: CPU | None = None
    steps: tuple[StepEntry, ...] = ()
    engine: BuildEngine | None = None
    """How its engine is built, after its steps; None where the runtime loads ONNX."""


class Plan(Parameters):
    """Everything that the worker needs to know, and nothing else."""

    protocol: Literal[1] = 1
    namespace: str
    name: str
    model: Model
    datasets: tuple[DatasetRef, ...] = ()
    storage: Storage = Storage()
    steps: tuple[StepEntry, ...] = ()
    targets: tuple[PlannedTarget, ...]
    evaluation: Evaluation | None = None
    output: Output
    cache: Literal["Off", "Read", "ReadWrite"] = "ReadWrite"
    seed: int = 0

    def dumped(self) -> str:
        """The plan as canonical JSON: the same plan is the same text."""
        document = self.model_dump(mode="json", exclude_none=True)
        return json.dumps(document, sort_keys=True, separators=(",", ":"))

    def digest(self) -> str:
        """64 hexadecimal digits that name this work, wherever the storage's credentials are."""
        return hashlib.sha256(self.dumped().encode()).hexdigest()


DEFAULT_TARGET = Target(name="onnx", runtime="ONNXRuntime")


def plan_of(spec: ModelOptimizationSpec, *, namespace: str, name: str) -> Plan:
    """Turn a spec into the work that it asks for.

    Every step gets a name; where a torch model meets what reads ONNX, an export with defaults is
    added: to the common steps when no target goes on in torch, else to the targets.
    The plan of a spec with findings (see `lathe_api.flow`) is meaningless but harmless.
    """
    targets = spec.targets or (DEFAULT_TARGET,)
    torch = _ends_in_torch(spec.model, spec.steps)
    shared_export = torch and not any(_goes_on_in_torch(target.steps) for target in targets)
    common = (*spec.steps, StepEntry(export=Export())) if shared_export else spec.steps
    return Plan(
        namespace=namespace,
        name=name,
        model=spec.model,
        datasets=spec.datasets,
        storage=spec.storage,
        steps=_named(common),
        targets=tuple(_planned(target, torch=torch and not shared_export) for target in targets),
        evaluation=spec.evaluation,
        output=spec.output.model_copy(update={"deletion_policy": "Retain"}),  # is no work
        cache=spec.run.cache,
    )


def input_format(model: Model) -> Format:
    """What the first step gets."""
    return Format.ONNX if model.format == "ONNX" else Format.TORCH


def _ends_in_torch(model: Model, steps: tuple[StepEntry, ...]) -> bool:
    have = input_format(model)
    for entry in steps:
        have = entry.step.gives(have)
    return have is Format.TORCH


def _goes_on_in_torch(steps: tuple[StepEntry, ...]) -> bool:
    return bool(steps) and steps[0].step.takes(Format.TORCH)


def _planned(target: Target, *, torch: bool) -> PlannedTarget:
    steps = _with_export(target.steps) if torch else target.steps
    engine = None if target.runtime == "ONNXRuntime" else target.tensorrt or BuildEngine()
    return PlannedTarget(
        name=target.name,
        runtime=target.runtime,
        gpu=target.gpu,
        cpu=target.cpu,
        steps=_named(steps),
        engine=engine,
    )


def _with_export(steps: tuple[StepEntry, ...]) -> tuple[StepEntry, ...]:
    """Put an export between the last torch step and what follows, unless there is one."""
    have = Format.TORCH
    for i, entry in enumerate(steps):
        if not entry.step.takes(have):
            return (*steps[:i], StepEntry(export=Export()), *steps[i:])
        have = entry.step.gives(have)
        if have is not Format.TORCH:
            return steps
    return (*steps, StepEntry(export=Export()))


def _named(steps: tuple[StepEntry, ...]) -> tuple[StepEntry, ...]:
    """Give each step a name: its own, or its kind, numbered where that is taken."""
    taken = {entry.name for entry in steps if entry.name}
    named = []
    for entry in steps:
        name = entry.name or _free(entry.kind.lower(), taken)
        taken.add(name)
        named.append(entry.model_copy(update={"name": name}))
    return tuple(named)


def _free(kind: str, taken: set[str]) -> str:
    numbers = range(2, len(taken) + 3)
    return next(name for name in (kind, *(f"{kind}-{n}" for n in numbers)) if name not in taken)
