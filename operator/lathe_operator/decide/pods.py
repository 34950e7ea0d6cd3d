"""What a pod tells: how its attempt ended, or what keeps it from starting."""

import json

from lathe_api.outcome import Outcome
from lathe_api.v1alpha1.status import Failure, ModelOptimizationStatus, Run, clip
from lathe_operator.decide.times import spelled
from lathe_operator.values import Pod, PodEnd
from lathe_steps.reasons import Reason

HINDRANCES = {
    "Unschedulable": Reason.UNSCHEDULABLE,
    "SchedulingGated": Reason.WAITING_FOR_QUOTA,
    "ImagePullBackOff": Reason.IMAGE_PULL_BACK_OFF,
    "ErrImagePull": Reason.IMAGE_PULL_BACK_OFF,
    "ErrImageNeverPull": Reason.IMAGE_PULL_BACK_OFF,
    "InvalidImageName": Reason.IMAGE_PULL_BACK_OFF,
    "RegistryUnavailable": Reason.IMAGE_PULL_BACK_OFF,
    "CreateContainerConfigError": Reason.CREATE_CONTAINER_CONFIG_ERROR,
    "CreateContainerError": Reason.CREATE_CONTAINER_CONFIG_ERROR,
    "RunContainerError": Reason.CREATE_CONTAINER_CONFIG_ERROR,
}
"""What scheduler and kubelet say, in our words; whatever is not here passes by itself."""


def outcome_of(pod: Pod) -> Outcome | None:
    """The worker's last word; None where there is none that can be believed, and told in status."""
    if pod.end is None:
        return None
    try:
        outcome = Outcome.model_validate_json(pod.end.message)
        _check_that_it_fits(outcome)
    except ValueError:
        return None
    return outcome if outcome.exit_code == pod.end.exit_code else None


def _check_that_it_fits(outcome: Outcome) -> None:
    """An image may say anything: what the API server would refuse must not end up in a patch.

    Raises:
        ValueError: When status cannot hold it.
    """
    told = ModelOptimizationStatus(
        run=Run(key=outcome.run_key),
        steps=outcome.steps,
        targets=outcome.targets,
        artifacts=outcome.artifacts,
        metrics=outcome.metrics,
    )
    json.dumps(told.model_dump(mode="json"), allow_nan=False)
    names = [target.name for target in outcome.targets]
    if len(set(names)) != len(names):
        raise ValueError("a target is told of twice")


def newest_success(pods: tuple[Pod, ...]) -> Pod | None:
    """The last pod that ended well."""
    return _newest([pod for pod in pods if pod.end and pod.end.exit_code == 0])


def newest_failure(pods: tuple[Pod, ...]) -> Pod | None:
    """The last pod that ended otherwise; one that was taken away only where no other did."""
    ended = [pod for pod in pods if pod.end and pod.end.exit_code != 0]
    return _newest([pod for pod in ended if not pod.disrupted]) or _newest(ended)


def _newest(pods: list[Pod]) -> Pod | None:
    return max(pods, key=lambda pod: (pod.created, pod.name), default=None)


def failure_of(pod: Pod) -> Failure | None:
    """Why a pod's attempt failed: in the worker's words, or else in Kubernetes'."""
    if pod.end is None:
        return None
    outcome = outcome_of(pod)
    told = outcome.failure if outcome and outcome.failure else _without_words(pod, pod.end)
    known = {"pod": pod.name, "time": spelled(pod.end.time), "exit_code": pod.end.exit_code}
    return told.model_copy(update=known)


def _without_words(pod: Pod, end: PodEnd) -> Failure:
    """The failure of a worker that could not say why."""
    words = clip(" ".join(end.message.split()), 300)
    said = f": {words}" if words else ""
    if pod.disrupted:
        return Failure(reason=Reason.INTERRUPTED, message=f"the cluster took its pod away{said}")
    if end.reason == "Evicted":  # no disruption: it used more than it was given
        return Failure(reason=Reason.DISK_FULL, message=f"its pod was evicted{said}")
    if end.reason == "OOMKilled":  # any other SIGKILL is somebody's
        return Failure(
            reason=Reason.OUT_OF_MEMORY,
            message="the worker was killed for its memory: "
            "raise spec.worker.resources.limits.memory",
        )
    how = "an unknown exit code" if end.exit_code is None else f"exit code {end.exit_code}"
    return Failure(
        reason=Reason.JOB_FAILED, message=f"the worker ended with {how} ({end.reason}){said}"
    )
