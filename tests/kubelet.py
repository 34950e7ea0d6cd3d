"""What Job controller, scheduler and kubelet write: documents for fakes and real servers alike."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from lathe_api.outcome import Outcome
from lathe_api.v1alpha1.evaluation import Metric
from lathe_api.v1alpha1.status import (
    ArtifactStatus,
    Failure,
    MetricStatus,
    StepStatus,
    Summary,
    TargetStatus,
)
from lathe_operator.decide.names import CONTAINER
from lathe_steps.reasons import ExitCode, Reason

Document = dict[str, Any]

MINUTE = timedelta(minutes=1)
T0 = "2026-11-20T10:00:00Z"
"""A time for those who need one and do not care which."""


def pod_of(job: Document, name: str, created: str = T0) -> Document:
    """The pod that the Job controller makes of a Job's template."""
    template = job["spec"]["template"]
    owner = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "name": job["metadata"]["name"],
        "uid": job["metadata"]["uid"],
        "controller": True,
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            **template["metadata"],
            "name": name,
            "namespace": job["metadata"]["namespace"],
            "creationTimestamp": created,
            "ownerReferences": [owner],
        },
        "spec": template["spec"],
    }


def _pod_status(phase: str, state: Document, **rest: Any) -> Document:
    container = {
        "name": CONTAINER,
        "image": "worker",
        "imageID": "",
        "ready": False,
        "restartCount": 0,
        "state": state,
    }
    return {"phase": phase, "containerStatuses": [container], **rest}


def running(started: str = T0) -> Document:
    """The worker runs."""
    return _pod_status("Running", {"running": {"startedAt": started}})


def waiting(reason: str, message: str = "") -> Document:
    """The kubelet cannot start the container, and says why."""
    return _pod_status("Pending", {"waiting": {"reason": reason, "message": message}})


def unschedulable(message: str = "0/5 nodes are available: 5 Insufficient gpu.") -> Document:
    """The scheduler finds no node."""
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": message,
        "lastTransitionTime": T0,
    }
    return {"phase": "Pending", "conditions": [condition]}


def ended(
    exit_code: int = 0,
    message: str = "",
    *,
    reason: str = "Completed",
    started: str | None = None,
    finished: str = T0,
    **rest: Any,
) -> Document:
    """The worker has ended, with that termination message."""
    terminated = {
        "exitCode": exit_code,
        "reason": reason if exit_code == 0 or reason != "Completed" else "Error",
        "message": message,
        "startedAt": started or finished,
        "finishedAt": finished,
    }
    phase = "Failed" if exit_code else "Succeeded"
    return _pod_status(phase, {"terminated": terminated}, **rest)


def disrupted(time: str = T0) -> Document:
    """The pod was preempted, or its node went."""
    condition = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "PreemptionByScheduler",
        "message": "preempted by somebody more important",
        "lastTransitionTime": time,
    }
    return ended(143, "", finished=time, conditions=[condition])


def complete(time: str = T0) -> Document:
    """The Job has completed."""
    conditions = [
        {"type": kind, "status": "True", "lastProbeTime": time, "lastTransitionTime": time}
        for kind in ("SuccessCriteriaMet", "Complete")
    ]
    return {"conditions": conditions, "succeeded": 1, "startTime": T0, "completionTime": time}


def failed(
    reason: str = "PodFailurePolicy",
    message: str = "Container worker for pod team/x failed with exit code 10",
    *,
    pods: int = 1,
    time: str = T0,
) -> Document:
    """The Job has given up."""
    conditions = [
        {
            "type": kind,
            "status": "True",
            "reason": reason,
            "message": message,
            "lastProbeTime": time,
            "lastTransitionTime": time,
        }
        for kind in ("FailureTarget", "Failed")
    ]
    return {"conditions": conditions, "failed": pods, "startTime": T0}


def success(**changes: Any) -> str:
    """The last words of a worker that did what it was asked."""
    outcome = Outcome(
        run_key="5f3a9c1e" * 8,
        exit_code=ExitCode.OK,
        gates=Reason.ALL_GATES_PASSED,
        steps=(StepStatus(name="prune", state="Succeeded", seconds=12.5, metrics={"params": 41}),),
        targets=(TargetStatus(name="cpu", state="Succeeded"),),
        artifacts=(
            ArtifactStatus(
                name="model.onnx",
                target="cpu",
                uri="s3://artifacts/digits/5f3a/cpu/model.onnx",
                digest="sha256:" + "0" * 64,
                bytes=41_000,
            ),
        ),
        metrics=(
            MetricStatus(name=Metric.TOP1, target="cpu", input=0.97, output=0.96, delta=-0.01),
        ),
        summary=Summary(size="-87%", speedup="3.1x", quality="Top1 -1.0pp"),
        manifest_uri="s3://artifacts/digits/5f3a/manifest.json",
        report_uri="s3://artifacts/digits/5f3a/report.html",
    )
    return outcome.model_copy(update=changes).termination_message()


def failure(
    exit_code: ExitCode = ExitCode.INTERNAL,
    reason: Reason = Reason.STEP_FAILED,
    message: str = "prune: layer conv3 cannot be pruned",
    **changes: Any,
) -> str:
    """The last words of a worker that could not go on."""
    told = Failure(step="prune", reason=reason, exit_code=exit_code, message=message)
    outcome = Outcome(exit_code=exit_code, failure=told)
    return outcome.model_copy(update=changes).termination_message()
