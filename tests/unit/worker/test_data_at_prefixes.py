"""Data sets of many objects: fetched whole, named by all of them, and kept as long as needed."""

from pathlib import Path
from typing import Any

import pytest

from lathe_steps.reasons import ExitCode
from lathe_worker.bench import ApplyStep, Keep, OpenDatasets, Progress
from lathe_worker.opening import READ_IN_PLACE
from tests.builders import FINETUNE, a_resource, dataset
from tests.fake_bench import FakeBench
from tests.worker_runs import Yard


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    made = Yard(tmp_path)
    for name in ("0.tar", "1.tar"):
        made.put(f"data/train/{name}", name.encode())
    return made


def training(form: str = "WebDataset", **fields: Any) -> Any:
    train = dataset("train", uri="s3://data/train/", format=form, **fields)
    return a_resource().with_(datasets=[train]).steps(FINETUNE)


class Watcher(FakeBench):
    """Looks where data sets are when a step runs."""

    there: list[bool]

    def open_datasets(self, request: OpenDatasets) -> None:
        super().open_datasets(request)
        self.files = [each.file for each in request.datasets]

    def apply(self, request: ApplyStep, progress: Progress, keep: Keep) -> Any:
        self.there = [file.exists() for file in self.files]
        return super().apply(request, progress, keep)


def test_all_objects_of_a_prefix_are_samples(yard: Yard) -> None:
    outcome = yard.run(training())

    (manifest,) = yard.manifests()
    inputs = {each["name"]: each for each in manifest["inputs"]}
    assert outcome.exit_code is ExitCode.OK
    assert inputs["train"]["uri"] == "s3://data/train/"
    assert inputs["train"]["bytes"] == len(b"0.tar1.tar")


OTHERS = {
    "another object": lambda yard: yard.put("data/train/2.tar", b""),
    "other bytes": lambda yard: yard.put("data/train/1.tar", b"other"),
    "another name": lambda yard: (yard.storage / "data/train/1.tar").rename(
        yard.storage / "data/train/3.tar"
    ),
}


@pytest.mark.parametrize("change", OTHERS.values(), ids=OTHERS)
def test_a_run_has_another_key_with(change: Any, yard: Yard) -> None:
    before = yard.run(training()).run_key

    change(yard)

    assert yard.run(training()).run_key != before


def test_transforms_are_part_of_what_the_samples_are(yard: Yard) -> None:
    plain = yard.run(training())
    changed = yard.run(training(transforms={"x": [{"toFloat": {}}]}))

    assert plain.run_key != changed.run_key


@pytest.mark.parametrize("form", ["NPZ", "Safetensors", "Parquet", "WebDataset", "ImageFolder"])
def test_only_what_is_read_in_place_stays_while_steps_run(form: str, yard: Yard) -> None:
    bench = Watcher()

    yard.run(training(form), bench)

    assert bench.there == [form in READ_IN_PLACE]
