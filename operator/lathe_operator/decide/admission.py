"""Whether a resource may be run: what neither the schema nor a laptop would refuse."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from lathe_api.chains import Finding
from lathe_api.plan import ANNOTATION, Plan, plan_of
from lathe_api.v1alpha1.spec import ModelOptimizationSpec
from lathe_api.v1alpha1.status import TakenProfile
from lathe_api.validation import Invalid
from lathe_operator.decide import names, profiles
from lathe_operator.values import Observed, Policy

MAX_ANNOTATIONS = 256 * 1024
"""Bytes that the API server allows all annotations of an object together."""
GPU_PRODUCT = "nvidia.com/gpu.product"
"""Label of nodes; NVIDIA's feature discovery sets it."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """A resource that may be run, and the work that it asks for."""

    spec: ModelOptimizationSpec
    plan: Plan
    work: str
    """Digest of the work: see `names.work_digest`."""
    profile: TakenProfile | None = None
    """What it took from a profile."""


Check = Callable[[ModelOptimizationSpec, Policy], Iterator[Finding]]


def admit(seen: Observed, policy: Policy) -> Admitted | Invalid:
    """Turn what was asked for into work, or say everything that is wrong with it."""
    if isinstance(seen.document, Invalid):
        return seen.document
    spec, ref = seen.document.spec, seen.resource.ref
    plan = plan_of(spec, namespace=ref.namespace, name=ref.name)
    found = [finding for check in CHECKS for finding in check(spec, policy)]
    found += _fits(spec, plan)
    taken = seen.taken
    if found:
        return profiles.traced(Invalid(tuple(found)), taken)
    work = names.work_digest(plan, spec, seen.resource.restart)
    return Admitted(spec, plan, work, taken.profile if taken else None)


def state_dict_is_allowed(spec: ModelOptimizationSpec, policy: Policy) -> Iterator[Finding]:
    """Torch files are read only where the administrator says so."""
    if spec.model.format == "StateDict" and not policy.allow_state_dict:
        yield Finding(
            "model.format",
            "StateDict is not allowed in this cluster: convert the weights to Safetensors",
        )


def image_is_allowed(spec: ModelOptimizationSpec, policy: Policy) -> Iterator[Finding]:
    """The worker's image is one that the administrator allows."""
    image = spec.worker.image
    if image is None or not policy.allowed_images:
        return
    if not any(fnmatchcase(image, pattern) for pattern in policy.allowed_images):
        allowed = ", ".join(policy.allowed_images)
        yield Finding("worker.image", f"{image} is not allowed in this cluster, only: {allowed}")


def keys_are_the_users(spec: ModelOptimizationSpec, _: Policy) -> Iterator[Finding]:
    """Labels and annotations that we or a queue decide by are not for users to set."""
    for field, keys in (("labels", spec.worker.labels), ("annotations", spec.worker.annotations)):
        for key in keys:
            domain = key.rpartition("/")[0]
            if any(domain == taken or domain.endswith(f".{taken}") for taken in names.RESERVED):
                yield Finding(f"worker.{field}", f"{key} is not for users to set: remove it")


def gpu_is_one(spec: ModelOptimizationSpec, _: Policy) -> Iterator[Finding]:
    """The node selector does not contradict the GPU that a target is for."""
    asked = spec.worker.node_selector.get(GPU_PRODUCT)
    for i, target in enumerate(spec.targets):
        if target.gpu and target.gpu.product and asked not in (None, target.gpu.product):
            yield Finding(
                f"targets[{i}].gpu.product",
                f"is {target.gpu.product}, but worker.nodeSelector asks for {asked}: remove one",
            )


CHECKS: tuple[Check, ...] = (
    state_dict_is_allowed,  # a torch file is read only on purpose
    image_is_allowed,  # code comes from where the administrator says
    keys_are_the_users,  # nobody poses as ours, or jumps a queue
    gpu_is_one,  # a pod that no node can take would wait for ever
)


def _fits(spec: ModelOptimizationSpec, plan: Plan) -> Iterator[Finding]:
    """The plan travels as an annotation of the pod, beside the user's."""
    annotations = {**spec.worker.annotations, ANNOTATION: plan.dumped()}
    size = sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items())
    if size > MAX_ANNOTATIONS:
        yield Finding(
            "",
            f"asks for a plan of {size} bytes, but a pod can carry {MAX_ANNOTATIONS} with its "
            "annotations: use fewer steps, shorter lists or fewer worker.annotations",
        )
