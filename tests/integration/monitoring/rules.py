"""What Prometheus is given: the rules and the queries, and the program that reads them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

Document = dict[str, Any]

MONITORING = Path(__file__).parents[3] / "charts" / "monitoring"
VARIABLES = {"$namespace": "team-.*", "$__rate_interval": "5m"}
"""What Grafana puts in."""


def groups() -> Document:
    """The rules without Kubernetes' envelope, as Prometheus reads them."""
    rule: Document = yaml.safe_load((MONITORING / "prometheus-rule.yaml").read_text())
    spec: Document = rule["spec"]
    return spec


def alerts() -> dict[str, Document]:
    """Every alert by its name."""
    return {rule["alert"]: rule for group in groups()["groups"] for rule in group["rules"]}


def dashboard() -> Document:
    """The dashboard."""
    document: Document = json.loads((MONITORING / "dashboard.json").read_text())
    return document


def panels() -> list[Document]:
    """Its panels that show something."""
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def queries() -> Iterator[tuple[str, str]]:
    """Every query of the dashboard with the panel's title, as Grafana would send it."""
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], _filled(target["expr"])
    for annotation in dashboard()["annotations"]["list"]:
        yield annotation["name"], _filled(annotation["expr"])


def _filled(query: str) -> str:
    for variable, value in VARIABLES.items():
        query = query.replace(variable, value)
    return query
