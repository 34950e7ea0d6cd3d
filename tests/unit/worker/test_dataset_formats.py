"""Every format keeps the promises of a data set, and so does the double of other tests."""

from collections.abc import Callable
from pathlib import Path

import pytest

from lathe_steps.base import Dataset
from lathe_worker.datasets import open_dataset
from tests.conformance.datasets import DatasetConformance
from tests.step_runs import Samples
from tests.unit.worker.data_files import CLASSES, EXPECTED, FORMATS, X, a_ref

SAMPLES = Samples("val", {"x": EXPECTED}, CLASSES)


@pytest.fixture(scope="module", params=FORMATS.values(), ids=list(FORMATS))
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    write: Callable[[Path], None]
    write, fields = request.param
    folder, scratch = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("scratch")
    write(folder)
    return open_dataset(a_ref(**fields), folder, scratch, (X,))


class TestFormats(DatasetConformance):
    @pytest.fixture
    def dataset(self, opened: Dataset) -> Dataset:
        return opened

    @pytest.fixture
    def expected(self) -> Samples:
        return SAMPLES


class TestDouble(DatasetConformance):
    @pytest.fixture
    def dataset(self) -> Dataset:
        return Samples("val", {"x": EXPECTED.copy()}, CLASSES)

    @pytest.fixture
    def expected(self) -> Samples:
        return SAMPLES
