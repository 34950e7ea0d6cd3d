"""What tells two runs apart: what was asked for, and what came out."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lathe_api.plan import plan_of
from lathe_api.v1alpha1.resource import ModelOptimization
from lathe_api.v1alpha1.status import clip
from lathe_api.validation import parse
from lathe_kubectl import figures
from lathe_kubectl.documents import Document, condition, dig, items, word
from lathe_kubectl.text import Style, Word

MOST = 60
"""Characters of a value in a table."""
NOT_WORK = ("name", "namespace", "protocol")
"""Fields of a plan that tell who asked, not what for."""
Facts = Mapping[str, str]
"""What there is, by a path that people can read."""


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two.

    Attributes:
        name: How the user called it.
        asked: What was asked for.
        outcome: Where it ended, and what was measured on the way.
    """

    name: str
    asked: Document
    outcome: Facts


@dataclass(frozen=True, slots=True)
class Difference:
    """One path at which two sides are not the same; empty where one of them has nothing."""

    path: str
    left: str
    right: str


def of_resource(name: str, resource: Document) -> Side:
    """A resource: the plan of its spec, and what its status tells."""
    found = parse({key: resource.get(key) for key in ("apiVersion", "kind", "metadata", "spec")})
    if isinstance(found, ModelOptimization):
        plan = plan_of(found.spec, namespace="", name=found.metadata.name)
        asked: Document = json.loads(plan.dumped())
    else:  # a newer version's, or an invalid one: its fields are compared as they are
        asked = dig(resource, "spec") or {}
    status = dig(resource, "status") or {}
    ready = condition(resource, "Ready")
    end = {"result": " ".join(dict.fromkeys([word(status, "phase"), word(ready, "reason")]))}
    run = dig(status, "run") or {}
    took = figures.between(word(run, "startTime"), word(run, "completionTime"))
    return Side(name, _asked(asked), {**end, "took": took, **_measured(status)})


def of_manifest(name: str, manifest: Document) -> Side:
    """A run by its manifest: its plan, and what was measured."""
    gates = word(manifest, "gates", "reason")
    made_by = {
        f"environment {key}": _spelled(each)
        for key, each in (dig(manifest, "environment") or {}).items()
    }
    asked = _asked(dig(manifest, "plan") or {})
    return Side(name, asked, {"gates": gates, **_measured(manifest), **made_by})


def between(left: object, right: object, path: str = "") -> tuple[Difference, ...]:
    """Every path at which they differ; what only one of them has is one difference, whole."""
    if left == right:
        return ()
    if not isinstance(left, Mapping) or not isinstance(right, Mapping):
        return (Difference(path, _spelled(left), _spelled(right)),)
    keys = dict.fromkeys([*left, *right])
    return tuple(
        found
        for key in keys
        for found in between(left.get(key), right.get(key), _below(path, str(key)))
    )


def _below(path: str, key: str) -> str:
    return f"{path}.{key}" if path and not key.startswith("[") else f"{path}{key}"


def _spelled(found: object) -> str:
    """As much of a value as a line holds."""
    if found is None or isinstance(found, str):
        return clip(found or "", MOST)
    return clip(json.dumps(found, ensure_ascii=False).replace('"', ""), MOST)


def rows(
    left: Side, right: Side, asked: tuple[Difference, ...]
) -> Iterator[tuple[str | Word, ...]]:
    """What was asked for where it differs, then every outcome side by side."""
    yield (("", Style.PLAIN), (left.name, Style.BOLD), (right.name, Style.BOLD))
    for each in asked:
        yield (each.path, (each.left or "-", Style.BAD), (each.right or "-", Style.GOOD))
    for path in dict.fromkeys([*left.outcome, *right.outcome]):
        yield ((path, Style.BOLD), left.outcome.get(path) or "-", right.outcome.get(path) or "-")


def document(left: Side, right: Side) -> dict[str, Any]:
    """The same for machines."""
    return {
        "names": [left.name, right.name],
        "asked": [
            {"path": each.path, "values": [each.left or None, each.right or None]}
            for each in between(left.asked, right.asked)
        ],
        "outcome": [
            {"path": path, "values": [left.outcome.get(path), right.outcome.get(path)]}
            for path in dict.fromkeys([*left.outcome, *right.outcome])
        ],
    }


def _asked(plan: Document) -> Document:
    return {key: _named(each) for key, each in plan.items() if key not in NOT_WORK}


def _measured(told: Document) -> dict[str, str]:
    """Each metric before and after, and the time of each step."""
    metrics = {
        f"{word(each, 'target')} {word(each, 'name')}": figures.change(each)
        for each in items(told, "metrics")
    }
    steps = {f"step {word(each, 'name')}": figures.seconds(each) for each in items(told, "steps")}
    return {**metrics, **steps}


def _named(found: Any) -> Any:  # noqa: ANN401 - JSON
    """With lists of objects as objects by name, or by number, so that like is beside like."""
    if isinstance(found, Mapping):
        return {key: _named(each) for key, each in found.items()}
    if isinstance(found, list) and found and all(isinstance(each, Mapping) for each in found):
        return {
            f"[{word(each, 'name') or number}]": {
                key: _named(value) for key, value in each.items() if key != "name"
            }
            for number, each in enumerate(found)
        }
    return found
