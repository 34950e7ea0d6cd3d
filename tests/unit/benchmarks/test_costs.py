from pathlib import Path

import pytest

from benchmarks.compression import costs, overhead, resuming
from benchmarks.compression.resuming import Attempt


def test_a_kill_loses_what_came_after_the_last_record() -> None:
    assert Attempt(10.0, (2.0, 7.0), killed=True).lost == 3.0


def test_a_kill_before_the_first_record_loses_everything() -> None:
    assert Attempt(4.0, (), killed=True).lost == 4.0


def test_who_was_not_killed_lost_nothing() -> None:
    assert Attempt(10.0, (2.0,), killed=False).lost == 0.0


def round_of(seconds: float, peak: float) -> dict[str, object]:
    bare = {"seconds": 20.0, "whole": 22.0, "peak_bytes": 100.0}
    worker = {"seconds": seconds, "whole": seconds + 4, "peak_bytes": peak, "start": 5.0}
    return {"bare": bare, "lathe": worker, "imports": 4.0}


def test_overhead_is_the_middle_of_the_rounds_ratios() -> None:
    rounds = [round_of(20.4, 110.0), round_of(40.0, 400.0), round_of(20.0, 105.0)]

    summed = overhead.summed_up({"rounds": rounds, "again": 0.05})

    assert summed["seconds_ratio"] == pytest.approx(1.02)
    assert summed["memory_ratio"] == pytest.approx(1.1)
    assert summed["start_seconds"] == pytest.approx(1.0)


def test_records_that_vanish_while_we_look_are_no_error(tmp_path: Path) -> None:
    (tmp_path / "gone.json").symlink_to(tmp_path / "nowhere.json")
    (tmp_path / "step.json").write_text("{}")

    assert len(resuming._kept(tmp_path, began=0.0)) == 1


def test_the_page_has_no_word_about_what_was_not_measured(tmp_path: Path) -> None:
    assert list(costs.written(tmp_path)) == []
