"""What is tried again, and how: a worker that ran out of memory gets one more try that needs less.

The lean attempt is a Job of its own, named after the one that it replaces. Status says first that
the run is lean: from then on the Job before it is in the way and this one is missing, and every
look repairs both.
"""

from datetime import datetime
from typing import Any

from lathe_api.v1alpha1.running import RunPolicy, Worker
from lathe_api.v1alpha1.status import Condition, Failure
from lathe_operator.decide import names, pods, times
from lathe_operator.decide.runs import CurrentRun
from lathe_operator.values import Manifest
from lathe_steps.reasons import Reason

LEAN = {"name": "LATHE_LEAN", "value": "true"}
"""Variable that tells a worker to take smaller batches."""


def stopped(run: CurrentRun, admitted: Condition | None, now: datetime) -> datetime | None:
    """When a run that had begun lost its worker: preempted, or disrupted and its pod deleted."""
    if admitted is None or run.said is None or run.said.start_time is None:
        return None
    if run.since:  # a later stage: what is told of the run is about all of them
        return None
    return now if admitted.status == "True" else times.parsed(admitted.last_transition_time)


def out_of_memory(run: CurrentRun) -> Failure | None:
    """The failure of the newest attempt, if it was for memory; None once one has succeeded."""
    if pods.newest_success(run.pods):
        return None
    pod = pods.newest_failure(run.pods)
    failure = pods.failure_of(pod) if pod else None
    return failure if failure and failure.reason is Reason.OUT_OF_MEMORY else None


def is_worth_a_lean_one(run: CurrentRun, policy: RunPolicy) -> bool:
    """Whether the run is to go on with a worker that needs less memory."""
    return not run.lean and policy.backoff_limit > 0 and out_of_memory(run) is not None


def leaner(job: Manifest) -> Manifest:
    """The same Job, whose worker is told to need less memory, and which says so."""
    metadata, template = job["metadata"], job["spec"]["template"]
    pod: dict[str, Any] = template["spec"]
    containers = [{**each, "env": [*each["env"], LEAN]} for each in pod["containers"]]
    told = {**metadata["annotations"], names.LEAN: "true"}
    changed = {**template, "spec": {**pod, "containers": containers}}
    return {
        **job,
        "metadata": {**metadata, "annotations": told},
        "spec": {**job["spec"], "template": changed},
    }


def explained(failure: Failure, worker: Worker, *, lean: bool) -> Failure:
    """The failure and, where it was for memory, the limit that is too low."""
    if failure.reason is not Reason.OUT_OF_MEMORY:
        return failure
    limit = worker.resources.limits.get("memory")
    had = f"the limit is {limit}" if limit else "no limit is set"
    tried = ", and smaller batches were too much as well" if lean else ""
    return failure.model_copy(update={"message": f"{failure.message} ({had}{tried})"})
