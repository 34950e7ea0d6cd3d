"""The figures of a report: scales, the path, curves, layers, candidates; and great pages."""

import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lathe_api.v1alpha1.evaluation import Metric
from lathe_steps.evidence import Candidate, Candidates, Curve, LayerEffect, Sensitivity
from lathe_worker.report import Report, render
from lathe_worker.report.candidates import drawn
from lathe_worker.report.curves import running_median
from lathe_worker.report.scales import Scale
from lathe_worker.report.stops import stops
from lathe_worker.report.trades import front
from tests.unit.worker.great_reports import great
from tests.unit.worker.pages import Page
from tests.unit.worker.reports import PATH, TRIED, a_report, changed, step, waypoint

FIGURES = st.floats(-1e9, 1e9, allow_nan=False).filter(lambda each: not 0 < abs(each) < 1e-9)


def with_evidence(*evidence: Curve | Sensitivity | Candidates) -> Report:
    return changed(a_report(), steps=(step("only", "finetune", 1, 1.0, *evidence),))


class TestScales:
    @given(st.lists(FIGURES, min_size=1, max_size=9))
    def test_every_figure_has_room(self, figures: list[float]) -> None:
        scale = Scale.around(*figures)

        assert all(0 < scale.share(each) < 1 for each in figures)

    @given(FIGURES, st.floats(1e-6, 1e9))
    def test_ticks_are_few_and_on_the_scale(self, low: float, span: float) -> None:
        scale = Scale(low, low + max(span, abs(low) * 1e-6))

        ticks = scale.ticks()

        assert len(ticks) <= 4
        assert all(scale.low <= tick <= scale.high for tick in ticks)

    def test_ticks_are_round(self) -> None:
        assert Scale(0.93, 0.978).ticks() == pytest.approx((0.94, 0.96))
        assert Scale(0.0, 9.0).ticks() == (0.0, 2.5, 5.0, 7.5)

    def test_equal_factors_have_equal_distances_on_a_scale_of_powers(self) -> None:
        scale = Scale(0.01, 100.0, logarithmic=True)

        assert [scale.share(each) for each in (0.01, 1, 100)] == pytest.approx([0, 0.5, 1])
        assert scale.ticks(5) == pytest.approx((0.01, 0.1, 1, 10, 100))

    def test_bars_begin_at_nothing(self) -> None:
        assert Scale.from_zero([3.0, 6.0]).share(3.0) == 0.5
        assert Scale.from_zero([]).share(0.0) == 0.0


class TestThePath:
    def test_it_goes_from_the_input_model_through_common_steps_to_each_target(self) -> None:
        found = [(stop.target, stop.name) for stop in stops(a_report())]

        assert found == [
            (None, "input model"),
            (None, "halve"),
            (None, "recover"),
            (None, "thin"),
            (None, "fuse"),
            (None, "export"),
            ("cpu", "int8"),
            ("rtx", "half"),
            ("rtx", "buildEngine"),
        ]

    def test_a_target_ends_with_what_was_measured_of_it(self) -> None:
        found = {stop.name: stop for stop in stops(a_report())}

        assert found["int8"].values[Metric.TOP1].point == 0.9629
        assert found["buildEngine"].values[Metric.TOP1].point == 0.9657
        assert not found["buildEngine"].executed
        assert Metric.LATENCY_P50 not in found["buildEngine"].values

    def test_intervals_are_those_of_the_change(self) -> None:
        found = {stop.name: stop for stop in stops(a_report())}

        top1, latency = (found["halve"].values[m] for m in (Metric.TOP1, Metric.LATENCY_P50))
        assert (top1.point, top1.low, top1.high) == pytest.approx((0.8914, 0.8824, 0.9004))
        assert (latency.low, latency.high) == pytest.approx((0.1241 * 0.95, 0.1241 * 1.05))

    def test_without_anything_measured_on_the_way_sizes_are_shown(self) -> None:
        page = Page(render(a_report((), path=())))

        assert page.lanes == ["Size"]
        assert "halve: 621 kB" in page.labels[0]

    def test_what_was_measured_only_on_the_way_is_known_of_the_input_model(self) -> None:
        first = stops(a_report(()))[0]

        assert first.values[Metric.LATENCY_P50].point == 0.212

    def test_a_target_without_steps_of_its_own_has_a_place(self) -> None:
        report = a_report()
        bare = tuple(each for each in report.steps if not each.name.startswith("cpu/"))

        found = [stop.name for stop in stops(changed(report, steps=bare)) if stop.target == "cpu"]

        assert found == ["ONNXRuntime"]

    def test_what_a_step_broke_for_a_while_does_not_hide_the_small_changes(self) -> None:
        broken = (waypoint("halve", 0.1, 0.12, 621_000), *PATH[1:])

        page = Page(render(a_report(path=broken)))

        assert page.count("circle", "beyond") == 1
        assert "\N{LEFTWARDS ARROW} 10.0%" in page.text
        assert Page(render(a_report())).count("circle", "beyond") == 0

    def test_what_a_target_was_rolled_back_from_is_shown_as_not_published(self) -> None:
        back = changed(a_report(), rolled_back={"rtx": "rtx/half", "cpu": "export"})

        given_up = {(stop.target, stop.name) for stop in stops(back) if stop.given_up}

        assert given_up == {("cpu", "int8"), ("rtx", "buildEngine")}
        assert "not published" in Page(render(back)).text

    def test_what_was_measured_of_a_target_that_was_rolled_back_is_not_its_last_step(self) -> None:
        back = changed(a_report(), rolled_back={"cpu": "export"})

        last = next(stop for stop in stops(back) if stop.name == "int8")

        assert Metric.TOP1 not in last.values

    def test_all_three_lanes_say_their_figures_to_those_who_cannot_see_them(self) -> None:
        page = Page(render(a_report()))

        assert page.lanes == ["Size", "Top-1 accuracy", "Latency"]
        for said in ("input model: 1.24 MB", "halve: 89.1%", "int8 on cpu: 68.4 µs"):
            assert any(said in label for label in page.labels)


class TestLayers:
    def test_the_most_sensitive_come_first_and_the_others_are_folded(self) -> None:
        layers = tuple(LayerEffect(f"layer{i}", i / 1000) for i in range(40))

        page = Page(render(with_evidence(Sensitivity("8 bits", "Top1", 99, layers))))

        assert page.count("details") == 1
        assert page.text.index("layer39") < page.text.index("layer38") < page.text.index("layer0")
        assert "28 layers that matter less" in page.text

    def test_what_is_not_drawn_is_said(self) -> None:
        layers = tuple(LayerEffect(f"layer{i}", 0.0) for i in range(512))

        page = render(with_evidence(*[Sensitivity("8 bits", "Top1", 99, layers)] * 5))

        assert "212 more are in report.json" in Page(page).text

    def test_a_layer_that_makes_the_model_better_is_drawn_to_the_left(self) -> None:
        layers = (LayerEffect("worse", 0.01), LayerEffect("better", -0.02))

        page = Page(render(with_evidence(Sensitivity("8 bits", "Top1", 99, layers))))

        assert "+2.0pp" in page.text
        assert page.count("rect", "gain") == 1


class TestCurves:
    def test_each_has_a_picture_of_its_own(self) -> None:
        loss = Curve("loss", "batch", ((0, 2.0), (9, 0.5)))
        top1 = Curve("Top1 on val", "epoch", ((1, 0.5), (2, 0.75)))

        page = Page(render(with_evidence(loss, top1)))

        assert page.count("polyline") == 2
        assert "loss by batch: from 2 to 0.5, between 0.5 and 2" in page.labels
        assert "Top1 on val by epoch: from 50.0% to 75.0%, between 50.0% and 75.0%" in page.labels

    def test_single_batches_that_jump_do_not_hide_the_trend(self) -> None:
        jumping = [(float(i), 100.0 if i % 15 == 14 else 1.0 - i / 300) for i in range(225)]

        trend = running_median(jumping)

        assert max(y for _, y in trend) <= 1
        assert [x for x, _ in trend] == [x for x, _ in jumping]

    def test_many_points_are_drawn_faintly_behind_their_trend(self) -> None:
        loss = tuple((float(i), 100.0 if i == 99 else 1.0) for i in range(100))

        page = Page(render(with_evidence(Curve("loss", "batch", loss))))

        assert (page.count("polyline", "curve-points"), page.count("polyline", "curve-line")) == (
            1,
            1,
        )
        assert "loss by batch: from 1 to 1, between 1 and 1" in page.labels

    @pytest.mark.parametrize(
        "points",
        [((1, 0.5),), ((1, 0.5), (1, 0.5)), ((0, 0.0), (1, 0.0)), ((0, -1.0), (1, 1e-30))],
        ids=["one point", "twice the same", "always zero", "below zero"],
    )
    def test_the_odd_ones_are_drawn_too(self, points: tuple[tuple[float, float], ...]) -> None:
        page = render(with_evidence(Curve("loss", "batch", points)))

        assert Page(page).count("polyline") == 1
        assert "nan" not in page


class TestCandidates:
    @given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=30))
    def test_nobody_beats_the_front(self, places: list[tuple[int, int]]) -> None:
        kept = front(places)

        for index, (cost, quality) in enumerate(places):
            beaten = any(
                places[k][0] <= cost and places[k][1] >= quality and places[k] != (cost, quality)
                for k in kept
            )
            assert beaten or index in kept or (cost, quality) in [places[k] for k in kept]
        assert [places[k] for k in kept] == sorted({places[k] for k in kept})

    def test_the_chosen_one_is_marked_once_in_each_plot(self) -> None:
        page = Page(render(with_evidence(TRIED)))

        assert page.count("circle", "ring") == 2
        assert "Top-1 accuracy by size. Chosen: conv_in in floating point: 96.5%, 164 kB" in (
            page.labels
        )

    def test_without_latencies_there_is_one_plot(self) -> None:
        untimed = tuple(replace(each, latency=None) for each in TRIED.considered)

        page = Page(render(with_evidence(replace(TRIED, considered=untimed))))

        assert page.count("circle", "ring") == 1

    def test_the_chosen_one_and_the_front_are_drawn_however_many_there_are(self) -> None:
        others = tuple(Candidate(f"c{i}", 1000 + i, 0.5) for i in range(500))
        best = tuple(Candidate(f"best{i}", 2000 + i, 0.9 + i / 100) for i in range(5))
        chosen = Candidate("chosen", 9000, 0.4)

        shown = drawn(Candidates("Top1", 9, (*others, *best, chosen), 505), 20)

        assert len(shown) == 20
        assert {*best, chosen} <= set(shown)

    def test_one_candidate_is_enough(self) -> None:
        page = render(with_evidence(Candidates("Top1", 9, (Candidate("it", 5, 0.5),), 0)))

        assert "1 candidate;" in Page(page).text
        assert Page(page).count("circle", "ring") == 0
        assert "nan" not in page


def test_the_largest_run_has_a_page_that_a_browser_opens_at_once() -> None:
    report = great(32, 16)

    began = time.process_time()
    page = render(report)
    taken = time.process_time() - began

    assert len(page.encode()) < 2_000_000
    assert taken < 1.5  # 0.5 s on a machine that does nothing else
    assert "more of these are in report.json" in page
    assert Page(page).count("svg") > 100
