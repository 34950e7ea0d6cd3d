"""One figure for the whole run, which never goes back."""

import pytest

from lathe_api.v1alpha1.status import Progress
from lathe_worker.progress import Meter, Stage
from tests.worker_runs import Told

STAGES = (Stage("Fetch", 1), Stage("train", 8), Stage("Publish", 1))


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def meter(told: Told) -> Meter:
    return Meter(STAGES, told)


def test_a_stage_counts_as_much_as_it_weighs(meter: Meter, told: Told) -> None:
    meter.begin("train")
    meter.advance(0.5, "epoch 1 of 2")

    assert told.progress[-1] == Progress(
        percent=50, step="train", step_index=2, steps=3, message="epoch 1 of 2"
    )


@pytest.mark.parametrize("share", [-1.0, 0.1, 2.0])
def test_a_stage_that_says_less_or_too_much_does_not_move_the_figure_back_or_too_far(
    share: float, meter: Meter, told: Told
) -> None:
    meter.begin("train")
    meter.advance(0.9)
    meter.advance(share)

    assert 81 <= told.progress[-1].percent <= 90


def test_going_back_to_a_stage_names_it_and_keeps_the_figure(meter: Meter, told: Told) -> None:
    meter.begin("Publish")
    meter.begin("train")

    assert (told.progress[-1].step, told.progress[-1].percent) == ("train", 90)


def test_hundred_means_that_the_result_is_there(meter: Meter, told: Told) -> None:
    meter.begin("Publish")
    meter.advance(1.0)
    assert told.progress[-1].percent == 99

    meter.finish("published")
    assert told.progress[-1].percent == 100
