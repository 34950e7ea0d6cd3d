"""What every test of a step starts from."""

from pathlib import Path

import pytest

from tests.step_runs import Bench, digits


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """Several test processes share the cores; torch would take all of them in each."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(
        tmp_path,
        datasets={
            "train": digits("train", 0, 400),
            "calib": digits("calib", 400, 464, labels=False),
            "val": digits("val", 500, 900),
        },
    )
