"""A namespace with many resources, and a test that plays Job controller and kubelet for all."""

from __future__ import annotations

import http.client
import json
import re
import ssl
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from e2e.localcluster.audit import AuditEvent
from e2e.localcluster.processes import wait_until
from lathe_api.v1alpha1.status import FINISHED
from lathe_operator.decide.names import RESOURCE
from lathe_steps.reasons import ExitCode, Reason
from tests import kubelet
from tests.builders import a_resource
from tests.integration.operator.installed import Team, now

Document = dict[str, Any]

GOOD, BAD, SHAKY = "good", "bad", "shaky"
LIVES: Final = {GOOD: 12, BAD: 4, SHAKY: 4}
"""How many resources succeed, fail for good, or fail once and then succeed."""
NAMES: Final = tuple(f"{life}-{n:02d}" for life, count in LIVES.items() for n in range(count))
TRANSIENT = kubelet.failure(ExitCode.TRANSIENT, Reason.STORAGE_UNAVAILABLE, "no route to minio")
HOPELESS = kubelet.failure(ExitCode.BAD_INPUT, Reason.INVALID_MODEL, "the model is no model")


class Api:
    """The API server, asked without a process for each question."""

    def __init__(self, team: Team) -> None:
        plane = team.control_plane
        context = ssl.create_default_context(cafile=str(plane.certificate_authority))
        self._token = plane.token()
        self._connection = http.client.HTTPSConnection(
            plane.endpoint.address, plane.endpoint.port, timeout=30, context=context
        )

    def close(self) -> None:
        """End the connection: the next question makes another."""
        self._connection.close()

    def ask(self, method: str, path: str, body: Document | None = None) -> Document:
        """What it answers, which is no error."""
        kind = "merge-patch+json" if method == "PATCH" else "json"
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Content-Type": f"application/{kind}",
        }
        self._connection.request(method, path, json.dumps(body) if body else None, headers)
        answer = self._connection.getresponse()
        document: Document = json.loads(answer.read())
        assert answer.status < 300, f"{method} {path}: {document.get('message')}"
        return document


@dataclass
class Crowd:
    """Resources that live as their names say; `play` does what controllers would do next."""

    team: Team

    def __post_init__(self) -> None:
        self.api = Api(self.team)
        space = f"namespaces/{self.team.namespace}"
        self._resources = f"/apis/lathe.dev/v1alpha1/{space}/modeloptimizations"
        self._jobs = f"/apis/batch/v1/{space}/jobs"
        self._pods = f"/api/v1/{space}/pods"
        self._events = f"/apis/events.k8s.io/v1/{space}/events"

    def apply(self, *names: str) -> None:
        """Create resources."""
        for name in names:
            self.api.ask("POST", self._resources, a_resource().named(name).document())

    def finish(self, name: str, status: Document) -> None:
        """Create a resource that has ended, as its status says."""
        self.apply(name)
        self.api.ask("PATCH", f"{self._resources}/{name}/status", {"status": status})

    def resources(self) -> dict[str, Document]:
        """Every resource by name."""
        return _by_name(self.api.ask("GET", self._resources)["items"])

    def has_ended(self) -> bool:
        """Whether every resource says so."""
        found = self.resources().values()
        return all((each.get("status") or {}).get("phase") in FINISHED for each in found)

    def until_jobs(self, count: int) -> None:
        """Wait until there are so many Jobs."""
        jobs = f"{count} Jobs"
        wait_until(lambda: len(self.jobs()) >= count, jobs, seconds=60.0, every=0.05)

    def jobs(self) -> list[Document]:
        """Every Job."""
        found: list[Document] = self.api.ask("GET", self._jobs)["items"]
        return found

    def play(self, most: int = 1000) -> int:
        """Do at most so much of what Job controller and kubelet would do now; say how much."""
        resources, pods = self.resources(), self.api.ask("GET", self._pods)["items"]
        done = 0
        for job in self.jobs():
            if done == most:
                break
            own = [pod for pod in pods if _controller(pod) == job["metadata"]["uid"]]
            resource = resources[job["metadata"]["labels"][RESOURCE]]
            done += self._advance(job, own, resource.get("status") or {})
        return done

    def _advance(self, job: Document, pods: list[Document], status: Document) -> bool:
        """Bring a Job one step further, if it is its turn."""
        if (job.get("status") or {}).get("conditions"):
            return False
        last, life = pods[-1] if pods else None, job["metadata"]["labels"][RESOURCE].split("-")[0]
        if last is None or last["status"]["phase"] == "Failed":
            # The failure is told before it is over, whatever the pace of the test.
            if last is not None and "lastFailure" not in status:
                return False
            self._start(job, len(pods))
        elif life == SHAKY and len(pods) == 1:
            self._end(last, ExitCode.TRANSIENT, TRANSIENT)
            self._write(self._jobs, job, {"failed": 1, "startTime": now()})
        elif life == BAD:
            self._end(last, ExitCode.BAD_INPUT, HOPELESS)
            self._write(self._jobs, job, kubelet.failed(time=now()))
        else:
            self._end(last, ExitCode.OK, kubelet.success())
            before = job.get("status") or {}  # when it started and how often it failed stays so
            self._write(self._jobs, job, {**kubelet.complete(now()), **before})
        return True

    def _start(self, job: Document, number: int) -> None:
        pod = kubelet.pod_of(job, f"{job['metadata']['name']}-{number}")
        made = self.api.ask("POST", self._pods, pod)
        self._write(self._pods, made, kubelet.running(now()))

    def _end(self, pod: Document, code: ExitCode, words: str) -> None:
        (container,) = pod["status"]["containerStatuses"]
        began = container["state"]["running"]["startedAt"]  # a kubelet goes on telling it
        ended = kubelet.ended(int(code), words, started=began, finished=now())
        self._write(self._pods, pod, ended)

    def _write(self, path: str, of: Document, status: Document) -> None:
        self.api.ask("PATCH", f"{path}/{of['metadata']['name']}/status", {"status": status})

    # what it has led to

    def end_state(self) -> dict[str, Any]:
        """Status of each resource, its Jobs and Events, without what differs by chance."""
        resources = self.resources()
        jobs = Counter(job["metadata"]["labels"][RESOURCE] for job in self.jobs())
        events: dict[str, list[str]] = {name: [] for name in resources}
        for event in self.api.ask("GET", self._events)["items"]:
            events[event["regarding"]["name"]].append(event["reason"])
        return {
            name: (_masked(each), jobs[name], sorted(events[name]))
            for name, each in resources.items()
        }


def differences(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """What differs between two end states, field by field."""
    found: dict[str, Any] = {}
    for name in one.keys() | other.keys():
        (status, *rest), (before, *others) = one[name], other[name]
        fields = {
            key: (status.get(key), before.get(key))
            for key in status.keys() | before.keys()
            if status.get(key) != before.get(key)
        }
        if fields or rest != others:
            found[name] = fields, rest, others
    return found


TIMES = ("startTime", "completionTime", "since", "waitedSeconds", "activeSeconds")
"""Fields of a run that are times."""


def _masked(resource: Document) -> Document:
    """A resource's status without times and what is named by uid; and what is put on it."""
    job = resource["status"]["run"]["job"]
    status = json.loads(json.dumps(resource["status"]).replace(job, "its Job"))
    for condition in status["conditions"]:
        del condition["lastTransitionTime"]
    for field_ in ("job", "plan", *TIMES):  # a plan names its namespace
        del status["run"][field_]
    status.get("summary", {}).pop("duration", None)
    status["history"] = [(run["phase"], run["reason"]) for run in status.get("history", ())]
    for field_ in ("pod", "time"):
        status.get("lastFailure", {}).pop(field_, None)
    metadata = resource["metadata"]
    return {**status, "put on it": [metadata.get("annotations"), metadata.get("finalizers")]}


def _controller(document: Document) -> str:
    return str(document["metadata"]["ownerReferences"][0]["uid"])


def _by_name(items: list[Document]) -> dict[str, Document]:
    return {each["metadata"]["name"]: each for each in items}


def granted(asked: Iterable[AuditEvent]) -> Iterator[AuditEvent]:
    """The writes that the server has done."""
    return (event for event in asked if event.is_write and event.code < 300)


def counted(asked: Iterable[AuditEvent]) -> dict[str, Counter[str]]:
    """How often what was written about each resource: itself, its Job, its Events."""
    counts: dict[str, Counter[str]] = {name: Counter() for name in NAMES}
    for event in granted(asked):
        about = "-".join(re.split("[-.]", event.name)[:2])
        kind = "/".join(filter(None, (event.verb, event.resource, event.subresource)))
        counts[about][kind] += 1
    return counts
