"""What a plan would do, for reading before anything runs."""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence

from lathe_api.plan import Plan, PlannedTarget, input_format
from lathe_api.stages import ANY, Stage, stages_of
from lathe_api.v1alpha1.datasets import DatasetRef
from lathe_api.v1alpha1.evaluation import Gate
from lathe_api.v1alpha1.spec import ModelOptimizationSpec
from lathe_api.v1alpha1.steps import StepEntry
from lathe_steps.base import Format, Step

Rows = Iterator[tuple[str, ...]]


def text(plan: Plan, spec: ModelOptimizationSpec) -> str:
    """What would be done, as aligned lines."""
    blocks = [f"{plan.namespace}/{plan.name}"]
    for title, rows in sections(plan, spec):
        columns = itertools.zip_longest(*rows, fillvalue="")
        widths = [max(map(len, column)) for column in columns]
        lines = ["   ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        blocks.append("\n".join([title, *(f"  {line}" for line in lines)]))
    return "\n\n".join(blocks)


def sections(
    plan: Plan, spec: ModelOptimizationSpec
) -> Iterator[tuple[str, list[tuple[str, ...]]]]:
    """The plan as titled rows of cells.

    Args:
        plan: What would be done.
        spec: What was asked for, by which a step that was added is known.
    """
    yield "model", list(_model(plan))
    yield "data", [_dataset(plan, ref) for ref in plan.datasets] or [("none",)]
    given = input_format(plan.model)
    yield "steps", list(_steps(plan.steps, spec.steps, given)) or [("none",)]
    asked = {target.name: target.steps for target in spec.targets}
    for entry in plan.steps:
        given = entry.step.gives(given)
    for target in plan.targets:
        yield f"target {target.name}", list(_target(target, asked.get(target.name, ()), given))
    if len(stages := stages_of(plan)) > 1:
        yield "stages in a cluster", list(_stages(stages))
    yield "evaluation", list(_evaluation(plan))
    yield "results", list(_results(plan))


def document(plan: Plan) -> Mapping[str, object]:
    """The plan for machines."""
    return {**json.loads(plan.dumped()), "digest": plan.digest()}


def _model(plan: Plan) -> Rows:
    model = plan.model
    architecture = f" {model.architecture.ref}" if model.architecture else ""
    yield (model.uri, f"{model.format}{architecture}")
    for each in model.inputs or ():
        yield (f"input {each.name}", f"{each.dtype} [{', '.join(map(str, each.shape))}]")


def _dataset(plan: Plan, ref: DatasetRef) -> tuple[str, ...]:
    users = [
        entry.name or entry.kind
        for entry in (*plan.steps, *(step for target in plan.targets for step in target.steps))
        if ref.name in entry.step.dataset_names()
    ]
    if plan.evaluation and plan.evaluation.dataset == ref.name:
        users.append("evaluation")
    return (ref.name, ref.uri, f"for {', '.join(users)}" if users else "not used")


def _steps(planned: tuple[StepEntry, ...], asked: tuple[StepEntry, ...], given: Format) -> Rows:
    steps = [entry.step for entry in asked]
    for entry in planned:
        added = entry.step not in steps
        before, given = given, entry.step.gives(given)
        yield (
            entry.name or entry.kind,
            f"{before} → {given}",
            f"{entry.kind} {_parameters(entry.step)}{' (added: the targets read ONNX)' * added}",
        )


def _parameters(step: Step) -> str:
    """What was set, as one line of YAML would say it."""
    set_by_user = step.model_dump(mode="json", exclude_unset=True)
    text = json.dumps(set_by_user, ensure_ascii=False) if set_by_user else ""
    return text.replace('"', "")


def _target(target: PlannedTarget, asked: tuple[StepEntry, ...], given: Format) -> Rows:
    yield ("runtime", target.runtime, f"on {target.gpu}" if target.gpu else "")
    yield from _steps(target.steps, asked, given)
    for entry in target.steps:
        given = entry.step.gives(given)
    if given is Format.ARCHIVE:
        yield ("", "", "its files have to be unpacked before they are used: lathe unpack")
    elif target.engine is not None:
        yield ("buildEngine", "ONNX → Engine", _parameters(target.engine))


def _stages(stages: Sequence[Stage]) -> Rows:
    """The Jobs of the run; on a laptop, all is done at once."""
    for stage in stages:
        where = f"on a {stage.hardware}" if stage.hardware != ANY else "on any node"
        yield (stage.name, ", ".join(stage.targets), where)


def _evaluation(plan: Plan) -> Rows:
    if plan.evaluation is None:
        yield ("nothing is measured",)
        return
    yield ("on", plan.evaluation.dataset, ", ".join(plan.evaluation.metrics))
    for gate in plan.evaluation.gates:
        yield (
            "gate",
            gate.metric,
            f"{_bound(gate)} on {gate.target or 'every target that it is measured on'}",
        )


def _bound(gate: Gate) -> str:
    bound = gate.model_dump(mode="json", exclude={"metric", "target"}, exclude_defaults=True)
    return ", ".join(f"{name} {value}" for name, value in bound.items())


def _results(plan: Plan) -> Rows:
    uri, names = plan.output.uri, ", ".join(target.name for target in plan.targets)
    yield (f"{uri}<run key>/", f"{names}, report.html, manifest.json")
    if plan.evaluation and plan.evaluation.gates and plan.evaluation.on_failure != "Warn":
        when = "when a gate fails"
        if plan.evaluation.on_failure == "Rollback":
            when = f"{when}, and so does everything before"
        yield (f"{uri}rejected/<run key>/", when)
    if plan.output.publish:
        yield (f"{uri}{plan.output.publish.pointer}", "when every gate passed")
