"""The tree of `kubectl lathe status`: a resource, its run, Jobs, pods, and what came out."""

import json
from collections.abc import Iterator

from lathe_api.v1alpha1.status import FINISHED
from lathe_kubectl import figures
from lathe_kubectl.documents import Document, condition, dig, items, word
from lathe_kubectl.seen import Seen
from lathe_kubectl.text import Node, Style, Word, line
from lathe_operator.decide import pods
from lathe_operator.decide.times import parsed
from lathe_operator.values import Job, Pod

KEY = 16
"""Digits of a run's key that name its folder."""


def tree(seen: Seen) -> Node:
    """Everything about a resource that there is to see, most important first."""
    resource = seen.resource
    ready, phase = condition(resource, "Ready"), word(resource, "status", "phase") or "Pending"
    head = line(
        (seen.name, Style.BOLD),
        figures.state(phase),
        word(ready, "message") if word(ready, "reason") == phase else _said(ready),
        (_edited(resource), Style.BUSY),
        _when("made", word(resource, "metadata", "creationTimestamp"), seen),
    )
    parts = (
        *_run(seen),
        *_failure(seen),
        *_steps(resource),
        *_targets(resource),
        *_gates(resource),
        *_history(seen),
        *_files(resource),
    )
    return Node(head, parts)


def _said(told: Document) -> str:
    """Reason and message of a condition."""
    return ": ".join(filter(None, (word(told, "reason"), word(told, "message"))))


def _edited(resource: Document) -> str:
    """Status speaks of an older spec: what is shown is not about what was asked for last."""
    asked, told = (
        dig(resource, "metadata", "generation"),
        word(resource, "status", "observedGeneration"),
    )
    return "not looked at yet since its last edit" if told and str(asked) != told else ""


def _run(seen: Seen) -> Iterator[Node]:
    """The run, its Jobs with their pods, and how far the worker is."""
    run = dig(seen.resource, "status", "run")
    if not isinstance(run, dict) and not seen.jobs:
        return
    told: Document = run or {}
    start, end = word(told, "startTime"), word(told, "completionTime")
    attempt = word(told, "attempt")
    head = line(
        ("run", Style.BOLD),
        word(told, "key")[:KEY],
        f"attempt {attempt}" if attempt not in ("", "1") else "",
        f"took {took}" if (took := figures.between(start, end)) else "",
        _when("ended" if end else "began", end or start, seen),
        "its whole result was there already" if word(told, "cache") == "Hit" else "",
    )
    yield Node(head, (*_progress(seen), *(_job(seen, job) for job in seen.jobs)))


def _when(what: str, time: str, seen: Seen) -> Word:
    since, style = figures.ago(seen.now, time)
    return f"{what} {since}" if since else "", style


def _progress(seen: Seen) -> Iterator[Node]:
    """How far the worker is; that of a run that has ended, or of one before it, says nothing."""
    progress = dig(seen.resource, "status", "progress")
    if not progress or word(seen.resource, "status", "phase") in FINISHED:
        return
    if word(progress, "updated") < word(seen.resource, "status", "run", "startTime"):
        return
    count = f"({word(progress, 'stepIndex')} of {word(progress, 'steps')})"
    yield Node(
        line(
            (f"{word(progress, 'percent') or 0}%", Style.BUSY),
            f"step {word(progress, 'step')} {count}" if word(progress, "step") else "",
            word(progress, "message"),
            figures.ago(seen.now, word(progress, "updated")),
        )
    )


def _job(seen: Seen, job: Job) -> Node:
    stages = [
        word(stage, "name")
        for stage in items(seen.resource, "status", "run", "stages")
        if word(stage, "job") == job.name
    ]
    targets = [
        word(target, "name")
        for target in items(seen.resource, "status", "targets")
        if word(target, "job") == job.name
    ]
    head = line(
        "job",
        job.name,
        figures.state(_state(job, seen.pods_of(job))),
        " ".join(["stage", *stages]) if stages else "",
        f"for {', '.join(targets)}" if targets else "",
        f"{job.failed} failed" if job.failed else "",
        job.end.message if job.end and not (job.end.succeeded or seen.pods_of(job)) else "",
        "" if seen.is_of_the_present_run(job) else ("of an earlier run", Style.DIM),
        figures.ago(seen.now, job.end.time if job.end else job.created),
    )
    return Node(head, tuple(_pod(seen, pod) for pod in seen.pods_of(job)))


def _state(job: Job, found: tuple[Pod, ...]) -> str:
    if job.end:
        return "Succeeded" if job.end.succeeded else "Failed"
    if job.suspended:
        return "Queued" if job.queued else "Suspended"
    return "Running" if any(pod.started and not pod.end for pod in found) else "Pending"


def _pod(seen: Seen, pod: Pod) -> Node:
    failure = pods.failure_of(pod) if pod.end and pod.end.exit_code != 0 else None
    hindrance = pod.hindrance if not pod.end else None
    if pod.end:
        state, since = "Failed" if failure else "Succeeded", pod.end.time
    else:
        state, since = "Running" if pod.started else "Pending", pod.started or pod.created
    node = seen.nodes.get(pod.name)
    return Node(
        line(
            "pod",
            pod.name,
            figures.state(state),
            f"{failure.reason}: {failure.message}" if failure else "",
            f"{hindrance.reason}: {hindrance.message}" if hindrance else "",
            ("taken away by the cluster", Style.BUSY) if pod.disrupted and pod.end else "",
            (f"on {node}" if node else "", Style.DIM),
            figures.ago(seen.now, since),
        )
    )


def _failure(seen: Seen) -> Iterator[Node]:
    """Why the last attempt failed, unless the first line or the pod's own says it."""
    failure = dig(seen.resource, "status", "lastFailure")
    ready = word(condition(seen.resource, "Ready"), "message")
    if not failure or word(failure, "message") == ready:
        return
    if any(pod.name == word(failure, "pod") for pod in seen.pods):
        return
    step = word(failure, "step")
    yield Node(
        line(
            ("last failure", Style.BAD),
            word(failure, "reason"),
            f"in step {step}" if step else "",
            word(failure, "message"),
        )
    )


def _steps(resource: Document) -> Iterator[Node]:
    below = tuple(
        Node(line(figures.mark(word(step, "state")), word(step, "name"), figures.seconds(step)))
        for step in items(resource, "status", "steps")
    )
    if below:
        yield Node(line(("steps", Style.BOLD)), below)


def _targets(resource: Document) -> Iterator[Node]:
    below = tuple(_target(resource, each) for each in items(resource, "status", "targets"))
    if below:
        yield Node(line(("targets", Style.BOLD)), below)


def _target(resource: Document, target: Document) -> Node:
    name = word(target, "name")
    made = [each for each in items(resource, "status", "artifacts") if _is_of(each, name)]
    measured = [each for each in items(resource, "status", "metrics") if _is_of(each, name)]
    gpu = " ".join(filter(None, (word(target, "gpuProduct"), word(target, "computeCapability"))))
    head = line(
        figures.mark(word(target, "state")),
        (name, Style.BOLD),
        word(target, "reason"),
        word(target, "message"),
        f"on {gpu}" if gpu else "",
    )
    artifacts = (
        Node(line(word(each, "uri"), (figures.size(each), Style.DIM)), ()) for each in made
    )
    return Node(head, (*artifacts, *(Node(line(figures.metric(each))) for each in measured)))


def _is_of(told: Document, target: str) -> bool:
    return word(told, "target") == target


def _gates(resource: Document) -> Iterator[Node]:
    """What was asked for, and whether it was met."""
    asked = list(items(resource, "spec", "evaluation", "gates"))
    if not asked:
        return
    told = condition(resource, "GatesPassed")
    verdict = {"True": "Succeeded", "False": "Failed"}.get(word(told, "status"), "")
    below = tuple(Node(line(word(gate, "metric"), *_bounds(gate))) for gate in asked)
    yield Node(line(figures.mark(verdict), ("gates", Style.BOLD), _said(told)), below)


def _bounds(gate: Document) -> Iterator[str]:
    """What a gate asks for, as its YAML says it."""
    for key, bound in gate.items():
        if key != "metric":
            yield f"{key} {bound if isinstance(bound, str) else json.dumps(bound)}"


def _history(seen: Seen) -> Iterator[Node]:
    below = tuple(_past(seen, run) for run in items(seen.resource, "status", "history"))
    if below:
        yield Node(line(("earlier runs", Style.BOLD)), below)


def _past(seen: Seen, run: Document) -> Node:
    start, end = word(run, "startTime"), word(run, "completionTime")
    reason = word(run, "reason")
    return Node(
        line(
            figures.mark(word(run, "phase")),
            word(run, "key")[:KEY],
            word(run, "phase"),
            reason if reason != word(run, "phase") else "",
            f"took {took}" if (took := figures.between(start, end)) else "",
            figures.ago(seen.now, parsed(end)) if end else "",
        )
    )


def _files(resource: Document) -> Iterator[Node]:
    for name, key in (("manifest", "manifestURI"), ("report", "reportURI")):
        if uri := word(resource, "status", key):
            yield Node(line((name, Style.BOLD), uri))
