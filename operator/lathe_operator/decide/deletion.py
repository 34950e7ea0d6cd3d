"""What happens to results when a resource is deleted, where its spec asks for their removal.

The operator reaches no storage: a Job removes them, with the credentials that the runs had. The
finalizer is there from before the first run, and goes in any case: when everything is removed,
when that failed, when nobody knows what to remove, or when the time for it is over.
"""

from collections.abc import Iterator
from datetime import timedelta

from lathe_api.clean_up import CleanUp
from lathe_api.plan import ANNOTATION, plan_of
from lathe_api.stages import stages_of
from lathe_api.v1alpha1.resource import ModelOptimization
from lathe_api.v1alpha1.running import Resources, Scheduling, Workspace
from lathe_api.v1alpha1.spec import ModelOptimizationSpec
from lathe_operator.actions import NOTHING, CreateJob, Decision, DeleteJob, SetFinalizers
from lathe_operator.decide import cleanup, events, hardware, job, names, pods
from lathe_operator.decide.admission import Admitted, image_is_allowed
from lathe_operator.values import Job, Manifest, Observed, Policy, Version
from lathe_steps.reasons import Reason

LIMIT = timedelta(minutes=10)
"""How long a deleted resource is kept for its results at most."""
JOB_SECONDS = 480
RETRIES = 2
SMALL = Resources(
    limits={hardware.GPU: 0, "memory": "512Mi"}, requests={"cpu": "100m", "memory": "256Mi"}
)
COMMAND = ["python", "-m", "lathe_worker.clean_up"]


def finalizer(seen: Observed) -> SetFinalizers | None:
    """Put the finalizer where the spec asks for it, and take it away where it does not."""
    if not isinstance(seen.document, ModelOptimization):
        return None
    there = seen.resource.finalizers
    wanted = seen.document.spec.output.deletion_policy == "Delete"
    if wanted == (names.FINALIZER in there):
        return None
    return _set(seen, (*there, names.FINALIZER) if wanted else _others(seen))


def decide(seen: Observed, policy: Policy) -> Decision:
    """Bring the deletion of a resource one look further."""
    if names.FINALIZER not in seen.resource.finalizers:
        return NOTHING  # owner references take the Jobs away, whether we run or not
    if not isinstance(seen.document, ModelOptimization):
        return _failed(seen, "the spec does not say any more where they are")
    if not _left(seen):
        return _failed(seen, "the time for it is over")
    spec = seen.document.spec
    return (
        _clean_up(seen, spec, policy) if spec.output.deletion_policy == "Delete" else _let_go(seen)
    )


def _clean_up(seen: Observed, spec: ModelOptimizationSpec, policy: Policy) -> Decision:
    """End the workers, then remove what they have published."""
    name = names.clean_up_name(seen.resource.ref.name, seen.resource.uid)
    if working := [each for each in seen.jobs if each.end is None and each.name != name]:
        return _stopped(seen, working)
    if not (keys := _keys(seen)):
        return _let_go(seen)
    cleaner = next((each for each in seen.jobs if each.name == name), None)
    if cleaner is None:
        return _begun(seen, CreateJob(_manifest(seen, spec, keys, policy), seen.resource.uid))
    return _ended(seen, cleaner, f"removed the results of {len(keys)} runs from {spec.output.uri}")


def _let_go(seen: Observed) -> Decision:
    """Nothing is to be removed."""
    return Decision((_set(seen, _others(seen)),))


def _ended(seen: Observed, cleaner: Job, note: str) -> Decision:
    """Let the resource go once its results are gone, or cannot be removed."""
    if cleaner.end is None:
        return Decision(again=_left(seen))
    if cleaner.end.succeeded:
        return _released(seen, events.NORMAL, Reason.CLEANED_UP, note)
    return _failed(seen, _why(seen, cleaner))


def _stopped(seen: Observed, working: list[Job]) -> Decision:
    """Nothing may be published after it was looked for: first the workers end."""
    ends = [DeleteJob(each.name, each.uid, last=True) for each in working if not each.deleting]
    return Decision(tuple(ends), _left(seen))


def _begun(seen: Observed, create: CreateJob) -> Decision:
    """Create the Job; what the server refuses may pass, unless the namespace goes too."""
    if not seen.refusals:
        return Decision((create,), _left(seen))
    if gone := next((each for each in seen.refusals if each.terminating), None):
        return _failed(seen, gone.message)
    return Decision(again=min(cleanup.RETRY, _left(seen)))


def _left(seen: Observed) -> timedelta:
    since = seen.resource.deleted or seen.now
    return max(since + LIMIT - seen.now, timedelta(0))


def _failed(seen: Observed, why: str) -> Decision:
    spec = seen.document.spec if isinstance(seen.document, ModelOptimization) else None
    where = spec.output.uri if spec else "the output's uri"
    runs = ", ".join(key[:16] for key in _keys(seen)) or "none is known"
    note = f"results may be left under {where} (runs: {runs}), remove them by hand: {why}"
    return _released(seen, events.WARNING, Reason.CLEAN_UP_FAILED, note)


def _released(seen: Observed, kind: str, reason: Reason, note: str) -> Decision:
    told = events.of_deletion(seen, kind, reason, note)
    return Decision((told, _set(seen, _others(seen))))


def _why(seen: Observed, cleaner: Job) -> str:
    pod = pods.newest_failure(seen.pods.get(cleaner.uid, ()))
    failure = pods.failure_of(pod) if pod else None
    return failure.message if failure else cleaner.end.message if cleaner.end else ""


def _set(seen: Observed, finalizers: tuple[str, ...]) -> SetFinalizers:
    return SetFinalizers(Version(seen.resource.uid, seen.resource.version), finalizers)


def _others(seen: Observed) -> tuple[str, ...]:
    return tuple(each for each in seen.resource.finalizers if each != names.FINALIZER)


def _keys(seen: Observed) -> tuple[str, ...]:
    """Keys of the runs that may have published: what status says, and what pods said since."""
    found = [seen.status.run.key if seen.status.run else None]
    found += [run.key for run in seen.status.history]
    found += list(_said(seen))
    return tuple(dict.fromkeys(key for key in found if key))


def _said(seen: Observed) -> Iterator[str | None]:
    for group in seen.pods.values():
        for pod in group:
            outcome = pods.outcome_of(pod)
            yield outcome.run_key if outcome else None


def _manifest(
    seen: Observed, spec: ModelOptimizationSpec, keys: tuple[str, ...], policy: Policy
) -> Manifest:
    """A small Job with the image, the credentials and the place of the runs' own."""
    ref = seen.resource.ref
    allowed = not any(image_is_allowed(spec, policy))
    changes = {"resources": SMALL, "workspace": Workspace(size="64Mi")}
    worker = spec.worker.model_copy(update=changes if allowed else {**changes, "image": None})
    small = spec.model_copy(
        update={"worker": worker, "scheduling": Scheduling(), "targets": (), "steps": ()}
    )
    plan = plan_of(small, namespace=ref.namespace, name=ref.name)
    name = names.clean_up_name(ref.name, seen.resource.uid)
    (whole,) = stages_of(plan)
    work = Admitted(small, plan, names.FINALIZER)
    made = job.manifest(job.Order(work, seen.resource, name, name, whole), policy)
    publish = spec.output.publish
    asked = CleanUp(
        namespace=ref.namespace,
        name=ref.name,
        storage=spec.storage,
        output=spec.output.uri,
        pointer=publish.pointer if publish else None,
        keys=keys,
    )
    return _turned(made, asked)


def _turned(made: Manifest, asked: CleanUp) -> Manifest:
    """The Job of a run, turned into the one that removes results."""
    metadata, template = made["metadata"], made["spec"]["template"]
    labels = {key: word for key, word in metadata["labels"].items() if key != names.WORK}
    annotations = {**template["metadata"]["annotations"], ANNOTATION: asked.dumped()}
    (container,) = template["spec"]["containers"]
    pod = {**template["spec"], "containers": [{**container, "command": COMMAND}]}
    return {
        **made,
        "metadata": {**metadata, "labels": labels},
        "spec": {
            **made["spec"],
            "backoffLimit": RETRIES,
            "activeDeadlineSeconds": JOB_SECONDS,
            "template": {
                "metadata": {**template["metadata"], "annotations": annotations},
                "spec": pod,
            },
        },
    }
