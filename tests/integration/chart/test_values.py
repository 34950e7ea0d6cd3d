"""Every value is described, used and checked, and a typing error is refused."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from e2e.helm import CHART, Document, Helm, HelmError
from lathe_operator.settings import Settings
from tests.integration.chart.conftest import Render
from tests.integration.chart.sets import SETS, at, merged

VALUES: Document = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA: Document = json.loads((CHART / "values.schema.json").read_text())

DIGEST = f"sha256:{'a' * 64}"
ENABLED: Document = {"enabled": True}
TWO: Document = {"operator": {"replicas": 2}}
TEAM: Document = {"namespaces": ["team-a"]}
WORKERS: Document = merged(TEAM, {"worker": {"serviceAccount": ENABLED}})

ANOTHER: dict[str, tuple[Document, object]] = {
    "scope": ({}, "namespace"),
    "namespaces": ({"scope": "namespace"}, ["team-a"]),
    "fullnameOverride": ({}, "another"),
    "crds.enabled": ({}, False),
    "crds.keep": ({}, False),
    "progressPolicy.enabled": ({}, False),
    "userRoles.enabled": ({}, False),
    "operator.image.repository": ({}, "registry.corp/another"),
    "operator.image.tag": ({}, "another"),
    "operator.image.digest": ({}, DIGEST),
    "operator.image.pullPolicy": ({}, "Always"),
    "operator.imagePullSecrets": ({}, [{"name": "another"}]),
    "operator.replicas": ({}, 2),
    "operator.resources.requests.cpu": ({}, "2"),
    "operator.resources.requests.memory": ({}, "2Gi"),
    "operator.resources.limits.memory": ({}, "2Gi"),
    "operator.runAsUser": ({}, None),
    "operator.nodeSelector": ({}, {"pool": "system"}),
    "operator.tolerations": ({}, [{"operator": "Exists"}]),
    "operator.affinity": ({}, {"nodeAffinity": {}}),
    "operator.topologySpreadConstraints": ({}, [{"maxSkew": 1}]),
    "operator.priorityClassName": ({}, "system-cluster-critical"),
    "operator.podLabels": ({}, {"team": "platform"}),
    "operator.podAnnotations": ({}, {"corp.example/cost": "42"}),
    "operator.logLevel": ({}, "DEBUG"),
    "operator.workers": ({}, 4),
    "operator.resyncSeconds": ({}, 60),
    "operator.lease.seconds": ({}, 30),
    "operator.lease.retrySeconds": ({}, 0.5),
    "operator.port": ({}, 9090),
    "priorityClass.create": ({}, True),
    "priorityClass.value": ({"priorityClass": {"create": True}}, 5),
    "podDisruptionBudget.enabled": (TWO, False),
    "worker.image.repository": ({}, "registry.corp/another"),
    "worker.image.tag": ({}, "another"),
    "worker.image.digest": ({}, DIGEST),
    "worker.allowedImages": ({}, ["registry.corp/*"]),
    "worker.allowStateDict": ({}, True),
    "worker.serviceAccount.enabled": (TEAM, True),
    "worker.serviceAccount.name": (WORKERS, "another"),
    "networkPolicy.enabled": ({}, False),
    "networkPolicy.metricsFrom": ({}, [{"podSelector": {}}]),
    "networkPolicy.apiServerPorts": ({}, [443]),
    "networkPolicy.worker.enabled": (TEAM, False),
    "networkPolicy.worker.except": (TEAM, ["10.0.0.0/8"]),
    "networkPolicy.worker.exceptV6": (TEAM, []),
    "monitoring.podMonitor.enabled": ({}, True),
    "monitoring.podMonitor.interval": ({"monitoring": {"podMonitor": ENABLED}}, "5s"),
    "monitoring.podMonitor.labels": ({"monitoring": {"podMonitor": ENABLED}}, {"a": "b"}),
    "monitoring.rules.enabled": ({}, True),
    "monitoring.rules.labels": ({"monitoring": {"rules": ENABLED}}, {"a": "b"}),
    "monitoring.dashboard.enabled": ({}, True),
    "monitoring.dashboard.labels.grafana_dashboard": (
        {"monitoring": {"dashboard": ENABLED}},
        "another",
    ),
}
"""Of each value another one, and what has to be set before it can make a difference."""


def leaves(values: Document, path: str = "") -> Iterator[str]:
    for key, value in values.items():
        here = f"{path}.{key}" if path else key
        if isinstance(value, dict) and value:
            yield from leaves(value, here)
        else:
            yield here


def described(path: str) -> Document:
    """What the schema says of a value; it stops where Kubernetes' own words begin."""
    node = SCHEMA
    for key in path.split("."):
        if "properties" not in node:
            return node
        node = node["properties"][key]
    return node


def test_of_every_value_there_is_another() -> None:
    assert set(ANOTHER) == set(leaves(VALUES))


@pytest.mark.parametrize("path", sorted(leaves(VALUES)))
def test_every_value_is_described(path: str) -> None:
    assert described(path)["description"]


@pytest.mark.parametrize(("path", "another"), ANOTHER.items(), ids=ANOTHER)
def test_every_value_makes_a_difference(
    helm: Helm, path: str, another: tuple[Document, object]
) -> None:
    before, value = another
    quick = {} if path.startswith("crds.") else {"crds": {"enabled": False}}

    plain = helm.template(merged(quick, before))
    changed = helm.template(merged(merged(quick, before), at(path, value)))

    assert plain != changed


def test_the_schema_describes_nothing_that_does_not_exist() -> None:
    def paths(node: Document, path: str = "") -> Iterator[str]:
        for key, child in node["properties"].items():
            here = f"{path}.{key}" if path else key
            yield from paths(child, here) if child.get("properties") else [here]

    known = set(leaves(VALUES))
    told = {path for path in paths(SCHEMA) if not any(leaf.startswith(path) for leaf in known)}

    assert told == {"global"}  # helm's own


WRONG: dict[str, Document] = {
    "a name that is not there": {"oprator": {}},
    "a name that is not there, deep down": {"operator": {"lease": {"second": 5}}},
    "a scope that is none": {"scope": "Cluster"},
    "a namespace's name that is none": {"namespaces": ["Team A"]},
    "a digest that is none": {"operator": {"image": {"digest": "latest"}}},
    "an image with its tag": {"worker": {"image": {"repository": "registry/lathe worker"}}},
    "text instead of a number": {"operator": {"workers": "16"}},
    "a number beyond its bounds": {"operator": {"workers": 0}},
    "a level that does not exist": {"operator": {"logLevel": "TRACE"}},
    "a port that only root may use": {"operator": {"port": 80}},
    "a pattern that would be two": {"worker": {"allowedImages": ["a,b"]}},
    "nothing where the API server is": {"networkPolicy": {"apiServerPorts": []}},
}


@pytest.mark.parametrize("values", WRONG.values(), ids=WRONG)
def test_what_cannot_be_meant_is_refused(render: Render, values: Document) -> None:
    with pytest.raises(HelmError, match="values don't meet the specifications of the schema"):
        render(values)


@pytest.mark.parametrize("values", SETS.values(), ids=SETS)
def test_helm_finds_nothing_to_complain_about(helm: Helm, values: Document) -> None:
    told = helm("lint", "--strict", helm.for_our_server, str(CHART), values=values)

    assert "0 chart(s) failed" in told
    assert "[WARNING]" not in told


def environment(documents: list[Document]) -> dict[str, Any]:
    (deployment,) = [each for each in documents if each["kind"] == "Deployment"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in container["env"]}


def test_every_setting_of_the_operator_is_set(render: Render) -> None:
    settings = {f"LATHE_{name}".upper() for name in Settings.model_fields}

    assert set(environment(render())) == settings - {"LATHE_HOST"}


def test_without_any_value_the_operator_has_its_own_defaults(
    render: Render, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = environment(render())
    assert told.pop("LATHE_NAMESPACE") == {"fieldRef": {"fieldPath": "metadata.namespace"}}
    for name, value in told.items():
        monkeypatch.setenv(name, value)

    assert Settings() == Settings.model_construct(worker_image="lathe-worker:0.1.0")


def test_what_is_listed_reaches_the_operator_whole(render: Render) -> None:
    values = {"scope": "namespace", "namespaces": ["team-a", "team-b"]}

    assert environment(render(values))["LATHE_NAMESPACES"] == "team-a,team-b"
