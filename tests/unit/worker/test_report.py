"""The report: what it shows, what it must not let through, and the words of its figures."""

from html.parser import HTMLParser

import pytest

from lathe_api.v1alpha1.evaluation import Metric
from lathe_worker.report import Report, render, summary, words
from lathe_worker.report.html import Markup, element, text
from lathe_worker.report.strips import Scale
from tests.unit.worker.reports import METRICS, a_report, quality, ratio

ATTACK = "<script>alert('x')</script>"


class Tags(HTMLParser):
    """Every element of a page, and whether each ends where it should."""

    VOID = frozenset({"meta", "br", "link"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002 - as HTMLParser calls it
        self.seen.append(tag)
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag


def test_the_page_is_whole_and_needs_nothing_from_anywhere() -> None:
    page = render(a_report())

    assert not {"script", "link", "img", "iframe", "form", "a"} & set(Tags(page).seen)
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

    assert "script" not in Tags(page).seen
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


def test_the_summary_is_about_one_target_the_one_that_was_measured_most() -> None:
    report = a_report()

    found = summary(report.plan, METRICS, 96.0)

    assert (found.size, found.speedup, found.quality) == ("-87%", "3.1x", "Top1 -0.6pp")
    assert (found.targets, found.duration) == ("cpu,rtx", "1m36s")


def test_a_summary_of_nothing_measured_names_what_there_is() -> None:
    found = summary(a_report().plan, (), 5)

    assert (found.size, found.speedup, found.quality, found.model) == (None, None, None, "digits")


SPELLED = {
    "bytes": ("999 B", words.size(999)),
    "kilobytes": ("1 kB", words.size(1000)),
    "megabytes": ("5.4 MB", words.size(5.4e6)),
    "weights": ("11.2 M", words.count(11_178_051)),
    "few": ("7", words.count(7)),
    "microseconds": ("48 µs", words.milliseconds(0.048)),
    "milliseconds": ("3.02 ms", words.milliseconds(3.02)),
    "seconds": ("45s", words.duration(45)),
    "minutes": ("1m36s", words.duration(96)),
    "many minutes": ("12m", words.duration(725)),
    "hours": ("3h20m", words.duration(12_000)),
    "a short step": ("0.42 s", words.seconds(0.42)),
    "faster": ("3.1x faster", words.effect(ratio(Metric.LATENCY_P50, "cpu", 3.1, 1.0, 0.1))),
    "much faster": ("12x faster", words.effect(ratio(Metric.LATENCY_P50, "cpu", 12, 1.0, 0.1))),
    "slower": ("2.0x slower", words.effect(ratio(Metric.LATENCY_P50, "cpu", 1, 2.0, 0.1))),
    "smaller": ("-87%", words.effect(ratio(Metric.SIZE_BYTES, "cpu", 100, 13))),
    "as large": ("0%", words.effect(ratio(Metric.SIZE_BYTES, "cpu", 1000, 1001))),
    "worse": ("-0.5pp", words.effect(quality(Metric.TOP1, "cpu", 0.9, 0.895, 0.01))),
    "no worse": ("0.0pp", words.effect(quality(Metric.TOP1, "cpu", 0.9, 0.8999, 0.01))),
    "how sure it is worse": (
        "-1.5 to +0.5pp",
        words.interval(quality(Metric.TOP1, "cpu", 0.9, 0.895, 0.01)),
    ),
    "how sure it is faster": (
        "1.8 to 2.2x",
        words.interval(ratio(Metric.LATENCY_P50, "cpu", 2, 1, 0.1)),
    ),
    "sizes, which are exact": ("", words.interval(ratio(Metric.SIZE_BYTES, "cpu", 2, 1))),
}


@pytest.mark.parametrize(("expected", "said"), SPELLED.values(), ids=SPELLED)
def test_figures_are_spelled_for_people(expected: str, said: str) -> None:
    assert expected == said


def test_a_scale_has_room_for_every_figure() -> None:
    scale = Scale.around(0.0, 0.0)

    assert 0 < scale.x(0.0) < 240
