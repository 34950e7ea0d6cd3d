"""The words of a report: figures with units, what became of metrics, and what steps found."""

import math
from collections.abc import Iterator
from contextlib import suppress

import pytest
from pydantic import ValidationError

from lathe_api.v1alpha1.evaluation import QUALITY, Gate, Metric
from lathe_api.v1alpha1.status import MetricStatus
from lathe_steps.evidence import Candidate, Candidates, Curve, LayerEffect, Sensitivity
from lathe_worker.report import Report, findings, gates, metrics, summary, words
from lathe_worker.report.finite import finite
from tests.unit.worker.reports import METRICS, a_report, quality, ratio, step


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
    "faster": ("3.1x faster", metrics.effect(ratio(Metric.LATENCY_P50, "cpu", 3.1, 1.0, 0.1))),
    "much faster": ("12x faster", metrics.effect(ratio(Metric.LATENCY_P50, "cpu", 12, 1.0, 0.1))),
    "slower": ("2.0x slower", metrics.effect(ratio(Metric.LATENCY_P50, "cpu", 1, 2.0, 0.1))),
    "smaller": ("-87%", metrics.effect(ratio(Metric.SIZE_BYTES, "cpu", 100, 13))),
    "as large": ("0%", metrics.effect(ratio(Metric.SIZE_BYTES, "cpu", 1000, 1001))),
    "worse": ("-0.5pp", metrics.effect(quality(Metric.TOP1, "cpu", 0.9, 0.895, 0.01))),
    "no worse": ("0.0pp", metrics.effect(quality(Metric.TOP1, "cpu", 0.9, 0.8999, 0.01))),
    "how sure it is worse": (
        "-1.5 to +0.5pp",
        metrics.interval(quality(Metric.TOP1, "cpu", 0.9, 0.895, 0.01)),
    ),
    "how sure it is faster": (
        "1.8 to 2.2x",
        metrics.interval(ratio(Metric.LATENCY_P50, "cpu", 2, 1, 0.1)),
    ),
    "almost a thousand": ("1 k", words.count(999.7)),
    "almost a second": ("1 s", words.milliseconds(999.8)),
    "a long call": ("2.5 s", words.milliseconds(2500)),
    "a very long call": ("33m", words.milliseconds(2_000_000)),
    "a tiny difference": ("2.4\N{MULTIPLICATION SIGN}10⁻⁷", words.number(2.44e-7)),
    "a tiny difference below zero": ("-9.9\N{MULTIPLICATION SIGN}10⁻⁵", words.number(-9.94e-5)),
    "nothing": ("0", words.number(0)),
    "a loss": ("0.0312", words.number(0.0312)),
    "a large figure below zero": ("-11.2 k", words.number(-11_200)),
    "much smaller": ("37x smaller", metrics.effect(ratio(Metric.SIZE_BYTES, "cpu", 37, 1))),
    "more samples per second": ("3.0x more", metrics.effect(ratio(Metric.THROUGHPUT, "cpu", 1, 3))),
    "fewer samples per second": (
        "2.0x less",
        metrics.effect(ratio(Metric.THROUGHPUT, "cpu", 100, 50)),
    ),
    "how sure it is that there are more": (
        "2.7 to 3.3x",
        metrics.interval(ratio(Metric.THROUGHPUT, "cpu", 1, 3, 0.1)),
    ),
    "a larger error": ("+0.071", metrics.effect(quality(Metric.MAE, "cpu", 2.3, 2.371, 0.01))),
    "how sure it is larger": (
        "+0.061 to +0.081",
        metrics.interval(quality(Metric.MAE, "cpu", 2.3, 2.371, 0.01)),
    ),
    "less alike": ("-0.02", metrics.effect(quality(Metric.COSINE, "cpu", 1, 0.98, 0.001))),
    "what a step measured": ("96.5%", metrics.value_of("Top1", 0.9648)),
    "what a step measured without labels": ("Agreement", metrics.title_of("Agreement")),
    "what only a step knows": ("0.25", metrics.value_of("perplexity", 0.25)),
    "how a step's metric changed": ("-0.4pp", metrics.change_of("Top1", -0.0039)),
    "sizes, which are exact": ("", metrics.interval(ratio(Metric.SIZE_BYTES, "cpu", 2, 1))),
}


@pytest.mark.parametrize(("expected", "said"), SPELLED.values(), ids=SPELLED)
def test_figures_are_spelled_for_people(expected: str, said: str) -> None:
    assert expected == said


def measured(metric: Metric) -> MetricStatus:
    if metric in QUALITY:
        return quality(metric, "cpu", 0.9, 0.8, 0.05)
    return ratio(metric, "cpu", 200.0, 100.0, 0.05)


@pytest.mark.parametrize("metric", Metric)
def test_there_are_words_for_every_metric(metric: Metric) -> None:
    found = measured(metric)

    assert metrics.TITLES[metric]
    assert metrics.value(metric, 0.9)
    assert metrics.effect(found)
    assert metrics.interval(found)
    assert metrics.said(found)


def gates_of(metric: Metric) -> Iterator[Gate]:
    for bound in Gate.exactly_one_of:
        with suppress(ValidationError):
            yield Gate.model_validate({"metric": metric, bound: 0.5})


@pytest.mark.parametrize("metric", Metric)
def test_every_gate_of_every_metric_has_a_picture(metric: Metric) -> None:
    bounds = list(gates_of(metric))

    assert len(bounds) >= 2
    for gate in bounds:
        shown = gates.found(gate, measured(metric))
        assert shown.low <= shown.point <= shown.high
        assert abs(gates.bound(gate).limit) == 0.5


LOOKED_AT = {
    "a drop": (-0.1, Gate(metric=Metric.TOP1, max_drop=0.1)),
    "a drop as a share": (-0.1111, Gate(metric=Metric.TOP1, max_relative_drop=0.1)),
    "a value": (0.8, Gate(metric=Metric.TOP1, min=0.1)),
    "a rise": (-0.1, Gate(metric=Metric.MAE, max_rise=0.1)),
    "an error as a ratio": (0.8889, Gate(metric=Metric.MAE, max_ratio=1)),
    "a size": (100.0, Gate(metric=Metric.SIZE_BYTES, max=200)),
    "a size as a ratio": (0.5, Gate(metric=Metric.SIZE_BYTES, max_ratio=1)),
    "a speed-up": (2.0, Gate(metric=Metric.LATENCY_P95, min_speedup=1)),
    "a speed-up by throughput": (0.5, Gate(metric=Metric.THROUGHPUT, min_speedup=1)),
}


@pytest.mark.parametrize(("expected", "gate"), LOOKED_AT.values(), ids=LOOKED_AT)
def test_a_gate_is_drawn_in_its_own_unit(expected: float, gate: Gate) -> None:
    assert gates.found(gate, measured(gate.metric)).point == pytest.approx(expected, abs=1e-4)


FOUND = {
    "what changed": (
        ["parameters 308 k → 153 k"],
        {"params_before": 308_394, "params": 153_002},
    ),
    "how training went": (["loss 1.93 → 0.0312"], {"loss_first": 1.93, "loss_last": 0.0312}),
    "how many": (
        ["450 updates", "0 nodes in floating point"],
        {"updates": 450, "floating_nodes": 0},
    ),
    "one": (["1 evaluation", "1 pass"], {"evaluations": 1, "passes": 1}),
    "with a unit": (
        ["index 1.2 kB", "search 31s", "call 3.02 ms"],
        {"index_bytes": 1200, "search_seconds": 31, "call_milliseconds": 3.02},
    ),
    "a share": (["sparsity 90.0%"], {"sparsity": 0.9}),
    "how long it took": (["latency 2 ms → 1 ms"], {"latency_ms_before": 2.0, "latency_ms": 1.0}),
    "what an archive holds": (
        ["size 1 MB → 100 kB", "codebooks 64 B"],
        {"bytes_before": 1_000_000, "bytes": 100_000, "bytes_of_codebooks": 64},
    ),
    "how a search ended": (
        ["Top-1 accuracy 98.0% → 97.5% on 256 samples", "7 evaluations"],
        {
            "accuracy_metric": "Top1",
            "accuracy_before": 0.98,
            "accuracy_after": 0.975,
            "accuracy_samples": 256,
            "accuracy_goal": "met",
            "evaluations": 7,
        },
    ),
    "of whom": (["teacher parameters 11.2 M"], {"teacher_params": 11_178_051}),
    "a word": (["format QOperator"], {"format": "QOperator"}),
    "what nobody foresaw": (["centroid shift \N{MINUS SIGN}0.25"], {"centroid_shift": -0.25}),
    "a sentence, which stands alone": ([], {"runtime_effect": "it is not faster"}),
}


@pytest.mark.parametrize(("expected", "facts"), FOUND.values(), ids=FOUND)
def test_facts_are_said_in_words(expected: list[str], facts: dict[str, float | str]) -> None:
    assert expected == findings.phrases(step("a", "prune", 1, 1.0, **facts))


def test_what_a_reader_should_not_overlook_stands_alone() -> None:
    long = ", ".join(f"blocks.{i}.conv" for i in range(9))
    facts = {"runtime_effect": "none: zeros are stored", "accuracy_goal": "missed: try more"}

    found = step("a", "sparsify", 1, 1.0, **facts, excluded=long)

    assert findings.remarks(found) == [
        "not faster by itself: zeros are stored",
        "the accuracy that was asked for was missed: try more",
    ]
    assert findings.notes(found) == [f"excluded: {long}"]


DIVERGED = step(
    "a",
    "finetune",
    1,
    1.0,
    Curve("loss", "batch", ((0, 1.0), (1, math.nan), (2, math.inf))),
    Curve("loss", "batch", ((0, math.nan),)),
    Sensitivity("8 bits", "Top1", 9, (LayerEffect("a", math.nan), LayerEffect("b", 0.1))),
    Candidates("Top1", 9, (Candidate("a", 1, math.nan), Candidate("b", 1, 0.5, math.inf)), 1),
    Candidates("Top1", 9, (Candidate("a", 1, math.nan),), 0),
    Candidates("Top1", 9, (Candidate("a", 1, 0.5),), 3),
    loss_last=math.nan,
    updates=450,
)


def test_what_is_no_number_is_left_out_since_json_does_not_know_it() -> None:
    found = finite(DIVERGED)

    assert found.evidence == (
        Curve("loss", "batch", ((0, 1.0),)),
        Sensitivity("8 bits", "Top1", 9, (LayerEffect("b", 0.1),)),
        Candidates("Top1", 9, (Candidate("b", 1, 0.5),), 0),
    )
    assert found.metrics == {"updates": 450}
    assert found.facts == {"loss_last": "nan", "updates": 450}


def test_the_report_of_a_training_that_diverged_is_json() -> None:
    report = a_report()
    fields = report.model_dump() | {"steps": (DIVERGED,)}

    dumped = Report.model_validate(fields).dumped()

    assert b"NaN" not in dumped
    assert b"Infinity" not in dumped
