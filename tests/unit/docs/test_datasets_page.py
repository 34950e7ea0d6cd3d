"""What docs/datasets.md shows can be written, and it says nothing of what there is not."""

import re
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from lathe_api.v1alpha1.datasets import DatasetRef
from lathe_api.v1alpha1.transforms import Transform
from lathe_worker.data import images, parquet

PAGE = (Path(__file__).parents[3] / "docs" / "datasets.md").read_text()
BLOCKS = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]


def declared(block: Any) -> list[Any]:
    """The data sets of a block: one, or those of a spec."""
    found: list[Any] = block["spec"]["datasets"] if "spec" in block else [block]
    return found


@pytest.mark.parametrize("number", range(len(BLOCKS)), ids=lambda number: f"block {number}")
def test_every_example_can_be_written(number: int) -> None:
    for each in declared(BLOCKS[number]):
        DatasetRef.model_validate(each)


def test_every_format_and_every_transform_is_shown() -> None:
    refs = [DatasetRef.model_validate(each) for block in BLOCKS for each in declared(block)]
    kinds = {step.kind for ref in refs for steps in ref.transforms.values() for step in steps}
    known = {Transform.model_fields[name].alias for name in Transform.exactly_one_of}

    assert {ref.format for ref in refs} == {*get_args(DatasetRef.model_fields["format"].annotation)}
    assert kinds == known


LIMITS = {
    "pixels of an image": f"{images.MOST_PIXELS // 10**6} million",
    "bytes of a Parquet row group, unpacked": f"{parquet.MOST_GROUP >> 30} GiB",
}


@pytest.mark.parametrize(("what", "most"), LIMITS.items(), ids=list(LIMITS))
def test_a_limit_is_what_the_page_says(what: str, most: str) -> None:
    assert f"| {what} | {most} |" in PAGE
