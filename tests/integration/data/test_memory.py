"""A data set may be larger than memory: a process that reads one does not grow with it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.loading import WRITERS

MIB = 256
SAMPLE = 64 * 64 * 3
MOST_GROWTH = 160 * 1024
"""KiB: batches on their way, and what a decoder of Parquet takes."""


@pytest.mark.parametrize("form", [form for form in WRITERS if form != "CSV"])
def test_reading_much_takes_little_memory(form: str, tmp_path: Path) -> None:
    count = MIB * 1024 * 1024 // (4 * SAMPLE)
    pixels = np.random.default_rng(0).random((count, SAMPLE), np.float32)
    WRITERS[form](tmp_path / form, pixels, np.arange(count))
    command = [sys.executable, "-m", "benchmarks.loading", "--read", form]

    done = subprocess.run(
        [*command, str(tmp_path / form), str(SAMPLE)], check=True, capture_output=True, text=True
    )

    found = json.loads(done.stdout)
    assert found["samples"] == count
    assert found["growth"] < MOST_GROWTH
