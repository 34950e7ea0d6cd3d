"""The schema of report.json: what is published is what the types say, and reports keep to it."""

import json
from pathlib import Path
from typing import Any

import pytest

from lathe_worker.report import Report
from lathe_worker.report.schema import schema, text
from tests.json_schema import faults
from tests.unit.worker.reports import a_report, changed

PUBLISHED = Path(__file__).parents[3] / "docs/reference/report.schema.json"


def document(report: Report) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(report.dumped())
    return found


def test_the_published_schema_is_that_of_the_types_see_make_generate() -> None:
    assert PUBLISHED.read_text(encoding="utf-8") == text()


def test_a_report_with_everything_keeps_to_it() -> None:
    assert faults(document(a_report()), schema()) == []


def test_a_report_of_a_run_without_an_evaluation_keeps_to_it_and_is_read_again() -> None:
    report = a_report()
    bare = changed(report, measured=None, gates=report.gates.model_copy(update={"results": ()}))

    assert faults(document(bare), schema()) == []
    assert Report.model_validate_json(bare.dumped()) == bare


def without_digest(found: dict[str, Any]) -> None:
    del found["steps"][0]["digest"]


def of_another_version(found: dict[str, Any]) -> None:
    found["schemaVersion"] = "lathe.dev/report/v2"


def with_words_for_a_number(found: dict[str, Any]) -> None:
    found["measured"]["metrics"][0]["output"] = "good"


def of_no_kind_of_evidence(found: dict[str, Any]) -> None:
    found["steps"][2]["evidence"][0]["kind"] = "Rumour"


@pytest.mark.parametrize(
    "broken",
    [without_digest, of_another_version, with_words_for_a_number, of_no_kind_of_evidence],
    ids=lambda it: it.__name__.replace("_", " "),
)
def test_what_is_not_a_report_does_not(broken: Any) -> None:
    found = document(a_report())
    broken(found)

    assert len(faults(found, schema())) == 1


def test_every_field_is_explained() -> None:
    found = schema()
    silent = [
        f"{name}.{field}"
        for name, each in (("Report", found), *found["$defs"].items())
        for field, of in each.get("properties", {}).items()
        if "description" not in of and "$ref" not in of and "const" not in of
    ]

    assert silent == []


def test_nothing_is_null_and_nothing_new_is_forbidden() -> None:
    assert '"null"' not in text()
    assert '"additionalProperties": false' not in text()
