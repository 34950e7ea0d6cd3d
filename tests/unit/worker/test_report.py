"""The report: what it shows, and what it must not let through."""

from lathe_api.v1alpha1.evaluation import Metric
from lathe_worker.report import Report, render
from lathe_worker.report.html import Markup, element, text
from tests.unit.worker.pages import Page
from tests.unit.worker.reports import a_report, quality

ATTACK = "<script>alert('x')</script>"


def test_the_page_is_whole_and_needs_nothing_from_anywhere() -> None:
    page = render(a_report())

    assert not {"script", "link", "img", "iframe", "form", "a"} & Page(page).tags
    assert "http:" not in page
    assert "https:" not in page
    assert "url(" not in page


def test_nothing_that_a_user_wrote_becomes_markup() -> None:
    report = a_report()
    hostile = report.model_copy(
        update={
            "gates": report.gates.model_copy(update={"message": ATTACK}),
            "artifacts": tuple(
                artifact.model_copy(update={"uri": f'"{ATTACK}'}) for artifact in report.artifacts
            ),
            "targets": tuple(
                target.model_copy(update={"message": ATTACK}) for target in report.targets
            ),
            "environment": report.environment.model_copy(update={"cpu": ATTACK}),
            "steps": tuple(
                step.model_copy(update={"name": f"cpu/{ATTACK}", "metrics": {ATTACK: 1.0}})
                for step in report.steps
            ),
        }
    )

    page = render(hostile)

    assert "script" not in Page(page).tags
    assert "&lt;script&gt;" in page


def test_attributes_cannot_be_left() -> None:
    assert element("p", "a & b", class_='"><b>') == ('<p class="&quot;&gt;&lt;b&gt;">a &amp; b</p>')


def test_markup_is_not_escaped_twice() -> None:
    assert text(Markup("<b>"), "<i>", None) == "<b>&lt;i&gt;"


def test_a_run_without_an_evaluation_has_a_page() -> None:
    report = a_report()
    bare = report.model_copy(
        update={
            "measured": None,
            "gates": report.gates.model_copy(update={"results": (), "reason": "NotEvaluated"}),
        }
    )

    assert "Nothing was measured" in render(bare)


def test_a_run_that_failed_its_gates_says_so() -> None:
    report = a_report((quality(Metric.TOP1, "cpu", 0.97, 0.9, 0.01),))

    page = render(report)

    assert "badge fail" in page
    assert "AccuracyBelowThreshold" in page


def test_the_document_says_again_what_it_was_told() -> None:
    report = a_report()

    assert Report.model_validate_json(report.dumped()) == report
