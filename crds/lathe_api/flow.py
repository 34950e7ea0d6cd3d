"""Whether a chain of steps can work, decided before anything runs."""

from collections.abc import Iterator

from lathe_api.chains import Check, Finding, Place, chains, once
from lathe_api.order import (
    folded_last,
    heads_are_trained,
    last_in_torch,
    maps_are_fresh,
    packing_pays,
    rounding_is_used,
    steps_in_order,
    students_come_first,
)
from lathe_api.plan import DEFAULT_TARGET, input_format
from lathe_api.v1alpha1.evaluation import LABELLED, Metric
from lathe_api.v1alpha1.spec import ModelOptimizationSpec
from lathe_steps.base import Format


def findings(spec: ModelOptimizationSpec) -> tuple[Finding, ...]:
    """Everything that the schema cannot say and that will not work, in the order of the spec."""
    return tuple(finding for check in CHECKS for finding in check(spec))


def formats_chain(spec: ModelOptimizationSpec) -> Iterator[Finding]:
    """Each step reads what the one before writes; an export is added where only it is missing."""
    yield from once(f for _, chain in chains(spec) for f in _breaks(spec, chain))


def _breaks(spec: ModelOptimizationSpec, chain: list[Place]) -> Iterator[Finding]:
    have, giver = input_format(spec.model), "the model"
    for place in chain:
        step = place.entry.step
        export_is_added = place.own and (have, step.reads) == (Format.TORCH, Format.ONNX)
        if not step.takes(have) and not export_is_added:
            said = f"reads {step.reads} but {giver} gives {have}{_cure(have)}"
            yield Finding(place.spelled, said)
        have, giver = step.gives(have), place.spelled


def _cure(have: Format) -> str:
    if have is Format.TORCH:
        return ": put an export step between them"
    return ": move it before the export, or start from a torch model"


def common_quantisation_fits_all(spec: ModelOptimizationSpec) -> Iterator[Finding]:
    """A quantize in the common steps needs targets that take the same form."""
    forms = {"ONNXRuntime" if t.runtime == "ONNXRuntime" else "TensorRT" for t in spec.targets}
    if len(forms) < 2:  # noqa: PLR2004 - one form is no conflict
        return
    for i, entry in enumerate(spec.steps):
        if entry.kind == "quantize":
            yield Finding(
                f"steps[{i}].quantize",
                "the targets take different forms of 8-bit graphs: move it into targets[].steps",
            )


def datasets_are_declared(spec: ModelOptimizationSpec) -> Iterator[Finding]:
    """Every data set that a step or the evaluation names is in spec.datasets."""
    declared = {dataset.name for dataset in spec.datasets}
    uses = [
        (p.spelled, n) for _, c in chains(spec) for p in c for n in p.entry.step.dataset_names()
    ]
    if spec.evaluation:
        uses.append(("evaluation", spec.evaluation.dataset))
    for path, name in dict.fromkeys(uses):
        if name not in declared:
            known = ", ".join(sorted(declared)) or "none"
            yield Finding(path, f"no data set is named {name}; spec.datasets declares: {known}")


def labels_are_declared(spec: ModelOptimizationSpec) -> Iterator[Finding]:
    """What is measured against labels, and training on them, need a data set with labels."""
    unlabelled = {dataset.name for dataset in spec.datasets if dataset.labels is None}
    wanted = [
        (p.spelled, n) for _, c in chains(spec) for p in c for n in p.entry.step.labelled_datasets()
    ]
    if spec.evaluation and LABELLED & {*spec.evaluation.metrics, *_gated(spec)}:
        wanted.append(("evaluation", spec.evaluation.dataset))
    for path, name in dict.fromkeys(wanted):
        if name in unlabelled:
            yield Finding(path, f"needs labels: set labels of the data set {name}")


def evaluation_is_apart(spec: ModelOptimizationSpec) -> Iterator[Finding]:
    """What is measured was not trained or calibrated on."""
    if spec.evaluation is None:
        return
    objects = {dataset.name: dataset.uri for dataset in spec.datasets}
    measured = objects.get(spec.evaluation.dataset)
    for place in dict.fromkeys(p for _, chain in chains(spec) for p in chain):
        for name in place.entry.step.dataset_names():
            used = objects.get(name)
            if measured is not None and used is not None and _overlap(measured, used):
                yield Finding(
                    place.spelled,
                    f"uses the evaluation's samples ({measured}): keep a data set apart for it",
                )


def _overlap(one: str, other: str) -> bool:
    """Whether two objects or prefixes are the same, or one lies in the other."""
    within = any(a.endswith("/") and b.startswith(a) for a, b in ((one, other), (other, one)))
    return one == other or within


def targets_load_what_they_get(spec: ModelOptimizationSpec) -> Iterator[Finding]:
    """An engine is built from a graph, and what ONNX Runtime has fused is for it alone."""
    for target, chain in chains(spec):
        if target.runtime == "ONNXRuntime":
            continue
        for place in chain:
            if place.entry.kind in {"pack", "optimize"}:
                yield Finding(
                    place.spelled,
                    f"gives what {target.runtime} cannot load: keep it in the steps of targets "
                    "that run on ONNX Runtime",
                )


def layouts_name_their_cpu(spec: ModelOptimizationSpec) -> Iterator[Finding]:
    """A graph that is laid out for one CPU is for no other."""
    for target, chain in chains(spec):
        for place in chain:
            optimize = place.entry.optimize
            if optimize is not None and optimize.level == "All" and target.cpu is None:
                yield Finding(
                    place.spelled,
                    f"level All lays out for one CPU: say which in cpu of the target {target.name}",
                )


def gates_name_targets(spec: ModelOptimizationSpec) -> Iterator[Finding]:
    """A gate's target exists."""
    names = {target.name for target in spec.targets or (DEFAULT_TARGET,)}
    for i, gate in enumerate(spec.evaluation.gates if spec.evaluation else ()):
        if gate.target is not None and gate.target not in names:
            known = ", ".join(sorted(names))
            yield Finding(
                f"evaluation.gates[{i}].target",
                f"no target is named {gate.target}; there are: {known}",
            )


def step_names_are_unique(spec: ModelOptimizationSpec) -> Iterator[Finding]:
    """A name stands for one step, within the common steps and within each target's."""
    lists = [("steps", spec.steps)]
    lists += [(f"targets[{i}].steps", t.steps) for i, t in enumerate(spec.targets)]
    for path, steps in lists:
        names = [entry.name for entry in steps if entry.name]
        for name in dict.fromkeys(n for n in names if names.count(n) > 1):
            yield Finding(path, f"the name {name} is used twice")


def _gated(spec: ModelOptimizationSpec) -> set[Metric]:
    return {gate.metric for gate in spec.evaluation.gates} if spec.evaluation else set()


CHECKS: tuple[Check, ...] = (
    step_names_are_unique,  # status speaks of steps by name
    formats_chain,  # no step gets what it cannot read
    steps_in_order,  # rounding twice is not rounding better
    folded_last,  # a folded normalisation cannot be trained
    last_in_torch,  # learned ranges are for the export
    rounding_is_used,  # hours of training for nothing
    maps_are_fresh,  # a map of another model misleads
    heads_are_trained,  # chance is no classifier
    students_come_first,  # nobody trains for hours what is thrown away
    packing_pays,  # an archive is made to be small
    targets_load_what_they_get,  # what nobody can load is no result
    layouts_name_their_cpu,  # a file that runs on some nodes only
    common_quantisation_fits_all,  # 8-bit forms differ by runtime
    datasets_are_declared,  # every sample comes from somewhere
    labels_are_declared,  # accuracy and cross entropy need labels
    evaluation_is_apart,  # what is measured was not seen before
    gates_name_targets,  # a gate that is about nothing would always pass
)
