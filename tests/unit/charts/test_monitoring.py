"""Rules and dashboard speak of what is declared: every metric, label and value that they name."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lathe_api.v1alpha1.status import Phase
from lathe_operator.metrics import DECLARED
from lathe_operator.metrics.tally import BLAMELESS
from lathe_steps.reasons import Reason
from tests.integration.monitoring.rules import alerts, dashboard, panels, queries

RUNBOOK = (Path(__file__).parents[3] / "docs" / "runbook.md").read_text()
PLACE = {"namespace", "pod"}
"""Labels that Prometheus gives to whatever a PodMonitor finds."""
LABELS = {
    name: {*declared.labels, *PLACE, *({"le"} if name.endswith("_bucket") else ())}
    for declared in DECLARED.all
    for name in declared.series
}
OF_PROCESSES = {
    "process_start_time_seconds",
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
}
QUERIES = [*((name, rule["expr"]) for name, rule in alerts().items()), *queries()]


def named(query: str) -> Iterator[tuple[str, str]]:
    """Every metric of a query with what stands in its braces."""
    yield from re.findall(r"\b((?:lathe|process)_\w+)(\{[^}]*\})?", query)


@pytest.mark.parametrize(("title", "query"), QUERIES)
def test_a_query_asks_for_metrics_and_labels_that_there_are(title: str, query: str) -> None:
    found = dict(named(query))

    assert found, title
    assert set(found) - OF_PROCESSES <= set(LABELS)
    for name, braces in named(query):
        assert set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", braces)) <= LABELS.get(name, PLACE)
    grouped = re.findall(r"\b(?:by|on) \(([^)]*)\)", query)
    there = set().union(*(LABELS.get(name, PLACE) for name in found))
    assert {label for group in grouped for label in re.findall(r"\w+", group)} <= there


VALUES = {
    "phase": set(Phase),
    "result": {*Phase, "hit", "miss"},
    "reason": set(Reason),
    "failure": {"Faulted", "Rejected", "defect"},
}


@pytest.mark.parametrize(("title", "query"), QUERIES)
def test_a_query_asks_for_values_that_there_are(title: str, query: str) -> None:
    assert title
    for label, known in VALUES.items():
        for value in re.findall(rf'\b{label}=~?"([^"]*)"', query):
            assert set(value.split("|")) <= known


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: str(panel["title"]))
def test_a_legend_names_labels_that_its_query_gives(panel: dict[str, object]) -> None:
    for target in panel["targets"]:  # type: ignore[attr-defined] # JSON
        query = target["expr"]
        shown = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
        grouped = re.search(r"\bby \(([^)]*)\)", query)
        kept = set().union(*(LABELS.get(name, PLACE) for name, _ in named(query)))
        given = set(re.findall(r"\w+", grouped.group(1))) if grouped else kept
        assert shown <= given


def test_every_metric_is_on_the_dashboard_or_in_an_alert() -> None:
    asked = {name for _, query in QUERIES for name, _ in named(query)}

    assert [each.name for each in DECLARED.all if not asked & set(each.series)] == []


def test_panels_do_not_overlap_and_have_numbers_of_their_own() -> None:
    places = [
        (x, y)
        for panel in dashboard()["panels"]
        for grid in [panel["gridPos"]]
        for x in range(grid["x"], grid["x"] + grid["w"])
        for y in range(grid["y"], grid["y"] + grid["h"])
    ]
    numbers = [panel["id"] for panel in dashboard()["panels"]]

    assert len(places) == len(set(places))
    assert max(x for x, _ in places) < 24
    assert len(numbers) == len(set(numbers))


def test_every_panel_says_what_it_shows() -> None:
    assert [panel["title"] for panel in panels() if not panel["description"]] == []


def test_every_alert_has_its_section_in_the_runbook_and_no_other_is_there() -> None:
    sections = re.findall(r"^## (\w+)$", RUNBOOK, re.MULTILINE)

    assert sections == list(alerts())
    for name, rule in alerts().items():
        assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{name.lower()}"
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}


def test_an_alert_watches_every_end_that_is_nobodys_fault() -> None:
    (reasons,) = re.findall(r'reason=~"([^"]*)"', alerts()["LatheRunsFail"]["expr"])

    assert set(reasons.split("|")) == set(BLAMELESS) - {Reason.OUT_OF_MEMORY}
