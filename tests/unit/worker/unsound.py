"""How tests open data sets that are refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lathe_steps.base import TensorSpec
from lathe_steps.errors import BadInput
from lathe_steps.reasons import Reason
from lathe_worker.datasets import DiskDataset, open_dataset
from tests.unit.worker.data_files import IMAGES, a_ref, encoded

RGB = TensorSpec("x", "uint8", ("batch", "h", "w", 3))
PNG = encoded(IMAGES[0])


def opened(folder: Path, form: str, x: TensorSpec = RGB, **fields: Any) -> DiskDataset:
    scratch = folder.parent / f"{folder.name}-scratch"
    scratch.mkdir()
    return open_dataset(a_ref(format=form, **fields), folder, scratch, (x,))


def refusal(act: Callable[[], object], reason: Reason = Reason.INVALID_DATASET) -> str:
    """What is said when a data set is refused."""
    with pytest.raises(BadInput) as stopped:
        act()
    assert stopped.value.reason is reason
    return stopped.value.message


def void(_: object) -> None:
    return None
