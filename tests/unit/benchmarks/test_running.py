import json
import sys
from pathlib import Path

import pytest

from benchmarks.compression import rounds
from benchmarks.compression.benches import BENCHES, REPEATS
from benchmarks.compression.running import Failed, contest, once, run

MIB = 2**20


def test_memory_is_that_of_the_command_alone(tmp_path: Path) -> None:
    ours = bytearray(300 * MIB)
    ours[::4096] = b"x" * len(ours[::4096])

    took = run([sys.executable, "-c", "held = b'x' * 60 * 2**20"], tmp_path / "log.txt")

    assert 60 * MIB < took.peak_bytes < 150 * MIB
    assert took.seconds > 0


def test_a_command_that_fails_names_its_log(tmp_path: Path) -> None:
    with pytest.raises(Failed, match=r"3: see .*log\.txt"):
        run([sys.executable, "-c", "print('why'); raise SystemExit(3)"], tmp_path / "log.txt")

    assert (tmp_path / "log.txt").read_text() == "why\n"


def test_a_finished_contestant_does_not_work_again(tmp_path: Path) -> None:
    known = {"seconds": 1.0, "cpu_seconds": 1.0, "peak_bytes": 5, "threads": 1, "load": 0.1}
    (tmp_path / "ran.json").write_text(json.dumps(known))

    found = contest("there_is_no_such_module", tmp_path, tmp_path, ())

    assert found.peak_bytes == 5


def test_a_contestant_that_failed_is_tried_again(tmp_path: Path) -> None:
    out = tmp_path / "out"

    for _ in range(2):
        with pytest.raises(Failed):
            contest("there_is_no_such_module", tmp_path, out, ())

    assert not (out / "ran.json").exists()


def test_figures_are_made_once(tmp_path: Path) -> None:
    made: list[int] = []

    def make() -> dict[str, int]:
        made.append(1)
        return {"a": len(made)}

    found = [once(tmp_path / "results" / "a.json", make) for _ in range(2)]

    assert found == [{"a": 1}, {"a": 1}]


def test_no_two_contestants_of_a_bench_share_a_folder(tmp_path: Path) -> None:
    for bench in BENCHES:
        for quick in (False, True):
            one = rounds.Round(bench, 0, tmp_path, quick)
            folders = [one.folder_of(contestant) for contestant in one.contestants]

            assert len(set(folders)) == len(folders)


def test_every_bench_says_its_seeds() -> None:
    assert {bench.name: bench.repeats for bench in BENCHES if bench.repeats != REPEATS} == {"FM": 3}
