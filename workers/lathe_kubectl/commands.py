"""The commands: each asks the cluster, and shows or changes one thing; gives the exit code."""

import json
import webbrowser
from argparse import Namespace
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lathe_api.plan import plan_of
from lathe_api.v1alpha1.status import FINISHED
from lathe_kubectl import choosing, difference, overview, status
from lathe_kubectl.bucket import Bucket
from lathe_kubectl.documents import Document, items, word
from lathe_kubectl.kubectl import Kubectl
from lathe_kubectl.refusal import Refusal
from lathe_kubectl.seen import RESOURCES, documents, look
from lathe_kubectl.text import Paint, table, tree
from lathe_operator.decide.names import CONTAINER, RESTART
from lathe_operator.decide.times import spelled
from lathe_worker import resource_file
from lathe_worker.terminal import plan_view

OK, DIFFERENT, REFUSED = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where a command runs.

    Attributes:
        kubectl: The way to the cluster.
        paint: How words are written.
        tell: Writes a line of the answer.
        note: Writes a line beside it, for people.
        environment: The process's, with credentials of storage.
    """

    kubectl: Kubectl
    paint: Paint
    tell: Callable[[str], None]
    note: Callable[[str], None]
    environment: Mapping[str, str]


Command = Callable[[Namespace, Surroundings], int]


def show_status(asked: Namespace, around: Surroundings) -> int:
    """Show everything about a resource as a tree."""
    if asked.output == "json":
        return _as_json(documents(around.kubectl, asked.name), around)
    return _lines(tree(status.tree(look(around.kubectl, asked.name)), around.paint), around)


def show_list(asked: Namespace, around: Surroundings) -> int:
    """Show every resource with its reason."""
    scope = ("-A",) if asked.all_namespaces else ()
    found = overview.chosen(
        items(around.kubectl.read("get", RESOURCES, *scope), "items"), asked.phase
    )
    if asked.output == "json":
        return _as_json({"items": list(found)}, around)
    if not found:
        around.note("there are none: kubectl apply -f FILE makes one")
        return OK
    rows = overview.rows(found, datetime.now(UTC), everywhere=asked.all_namespaces)
    return _lines(table(list(rows), around.paint), around)


def show_logs(asked: Namespace, around: Surroundings) -> int:
    """Let kubectl show the log of the right pod."""
    seen = look(around.kubectl, asked.name)
    try:
        chosen = choosing.pod(seen, asked.target)
    except choosing.NoPod as none:
        raise Refusal(str(none)) from none
    beside = [each.name for each in choosing.others(seen, chosen)]
    around.note(f"the log of {chosen.name}" + (f"; {', '.join(beside)} run too" if beside else ""))
    flags = ["-f"] if asked.follow else []
    flags += [f"--tail={asked.tail}"] if asked.tail is not None else []
    return around.kubectl.show("logs", chosen.name, "-c", CONTAINER, *flags)


def show_report(asked: Namespace, around: Surroundings) -> int:
    """Say where the report is, or bring it."""
    resource = around.kubectl.read("get", RESOURCES, asked.name)
    uri = word(resource, "status", "reportURI")
    if not uri:
        phase = overview.phase_of(resource)
        raise Refusal(f"{asked.name} is {phase} and has no report: it is made when a run ends")
    if not asked.open and asked.to is None:
        around.tell(uri)
        return OK
    to: Path = (asked.to or Path(f"{asked.name}-report.html")).absolute()
    Bucket(resource, around.environment, asked.endpoint).download(uri, to)
    around.tell(str(to))
    if asked.open:
        webbrowser.open(to.as_uri())
    return OK


def plan(asked: Namespace, around: Surroundings) -> int:
    """Check a file, and show what would run; nothing is asked of any cluster."""
    found = resource_file.read(asked.file)
    if isinstance(found, resource_file.Refused):
        for line in found.lines():
            around.note(line)
        return REFUSED
    metadata = found.resource.metadata
    planned = plan_of(found.resource.spec, namespace=metadata.namespace, name=metadata.name)
    if asked.output == "json":
        return _as_json(plan_view.document(planned), around)
    around.tell(plan_view.text(planned, found.resource.spec))
    return OK


def retry(asked: Namespace, around: Surroundings) -> int:
    """Have the work done again; finished steps are taken up."""
    now = spelled(datetime.now(UTC))
    arguments = ("annotate", "--overwrite", RESOURCES, asked.name, f"{RESTART}={now}")
    return _change(arguments, f"{asked.name} runs again, after its last finished step", around)


def cancel(asked: Namespace, around: Surroundings) -> int:
    """End the run for good."""
    return _patch(asked.name, {"cancel": True}, f"{asked.name} is cancelled", around)


def suspend(asked: Namespace, around: Surroundings) -> int:
    """Hold the run back."""
    return _patch(asked.name, {"suspend": True}, f"{asked.name} is held back", around)


def resume(asked: Namespace, around: Surroundings) -> int:
    """Let the run go on."""
    return _patch(asked.name, {"suspend": False}, f"{asked.name} goes on", around)


def diff(asked: Namespace, around: Surroundings) -> int:
    """Show what tells two runs or resources apart; 1 where they were not asked for the same."""
    left, right = (_side(name, asked, around) for name in (asked.left, asked.right))
    found = difference.between(left.asked, right.asked)
    code = DIFFERENT if found else OK
    if asked.output == "json":
        return _as_json(difference.document(left, right), around) or code
    return _lines(table(list(difference.rows(left, right, found)), around.paint), around) or code


def _side(name: str, asked: Namespace, around: Surroundings) -> difference.Side:
    """A manifest by its file, a run as NAME@KEY, or a resource by its name."""
    if name.endswith(".json"):
        return difference.of_manifest(name, _manifest(Path(name)))
    called, _, key = name.partition("@")
    resource = around.kubectl.read("get", RESOURCES, called)
    if not key:
        return difference.of_resource(name, resource)
    uri = _manifest_of(resource, called, key)
    found = Bucket(resource, around.environment, asked.endpoint).manifest(uri)
    return difference.of_manifest(name, found)


def _manifest(file: Path) -> dict[str, Any]:
    try:
        document = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise Refusal(f"{file} is no manifest that can be read: {error}") from error
    if not isinstance(document, dict) or "plan" not in document:
        raise Refusal(f"{file} is no manifest: it has no plan")
    return document


def _manifest_of(resource: Document, name: str, key: str) -> str:
    """Where the manifest of a run is, by the first digits of the run's key."""
    runs = {
        word(run, "key"): word(run, "manifestURI") for run in items(resource, "status", "history")
    }
    runs[word(resource, "status", "run", "key")] = word(resource, "status", "manifestURI")
    found = [uri for known, uri in runs.items() if known.startswith(key) and uri]
    if len(found) != 1:
        known = ", ".join(each[: status.KEY] for each, uri in runs.items() if uri) or "none"
        raise Refusal(f"{name} has no single run {key} with a manifest; it has {known}")
    return found[0]


def _patch(name: str, run: Mapping[str, bool], done: str, around: Surroundings) -> int:
    phase = overview.phase_of(around.kubectl.read("get", RESOURCES, name))
    if phase in FINISHED:
        raise Refusal(f"{name} has ended as {phase}: kubectl lathe retry {name} has it run again")
    patch = json.dumps({"spec": {"run": run}})
    return _change(("patch", RESOURCES, name, "--type=merge", "-p", patch), done, around)


def _change(arguments: tuple[str, ...], done: str, around: Surroundings) -> int:
    around.kubectl.say(*arguments)
    around.tell(done)
    return OK


def _lines(lines: Iterable[str], around: Surroundings) -> int:
    for each in lines:
        around.tell(each)
    return OK


def _as_json(document: object, around: Surroundings) -> int:
    around.tell(json.dumps(document, indent=2))
    return OK
