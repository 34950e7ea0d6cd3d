"""What the chart gives to Prometheus and Grafana is what charts/monitoring gives."""

import json

import yaml

from e2e.helm import Document
from e2e.localcluster.images import REPOSITORY
from tests.integration.chart.conftest import Render

MONITORING = REPOSITORY / "charts" / "monitoring"
ENABLED = {"enabled": True}
ALL = {"monitoring": {"podMonitor": ENABLED, "rules": ENABLED, "dashboard": ENABLED}}


def rendered(render: Render, kind: str) -> Document:
    (found,) = [each for each in render(ALL) if each["kind"] == kind]
    return found


def test_alerts_are_the_same(render: Render) -> None:
    source = yaml.safe_load((MONITORING / "prometheus-rule.yaml").read_text())

    assert rendered(render, "PrometheusRule")["spec"] == source["spec"]


def test_the_dashboard_is_the_same(render: Render) -> None:
    source = json.loads((MONITORING / "dashboard.json").read_text())

    assert json.loads(rendered(render, "ConfigMap")["data"]["lathe.json"]) == source


def test_the_operator_is_asked_in_the_same_way_and_of_one_release_alone(render: Render) -> None:
    source = yaml.safe_load((MONITORING / "pod-monitor.yaml").read_text())["spec"]
    spec = rendered(render, "PodMonitor")["spec"]

    assert spec["podMetricsEndpoints"] == source["podMetricsEndpoints"]
    assert spec["selector"]["matchLabels"].items() > source["selector"]["matchLabels"].items()
