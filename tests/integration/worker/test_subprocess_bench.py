"""The real bench keeps what every bench promises, with real toolchains in real children."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lathe_api.v1alpha1.datasets import DatasetRef
from lathe_api.v1alpha1.steps import StepEntry
from lathe_steps.errors import BadInput, Internal
from lathe_steps.reasons import Reason
from lathe_steps.simplify import Simplify
from lathe_steps.toolchains.source import SourceModel
from lathe_worker.apart import Limits
from lathe_worker.bench import DatasetFile, OpenDatasets, Opened, OpenModel
from lathe_worker.settings import WorkerSettings
from lathe_worker.subprocess_bench import SubprocessBench
from tests.conformance.bench import BenchConformance, fresh
from tests.small_models import write_images, write_onnx

pytestmark = pytest.mark.toolchain


class TestSubprocessBench(BenchConformance):
    @pytest.fixture
    def bench(self, tmp_path: Path) -> Iterator[SubprocessBench]:
        opened = SubprocessBench(WorkerSettings(threads=1), fresh(tmp_path, "home"))
        yield opened
        opened.close()

    @pytest.fixture
    def model(self, tmp_path: Path) -> SourceModel:
        return SourceModel("ONNX", write_onnx(fresh(tmp_path, "fetched") / "m.onnx"))

    @pytest.fixture
    def entry(self) -> StepEntry:
        return StepEntry(name="first", simplify=Simplify())

    def test_it_says_what_the_model_takes(self, opened: Opened) -> None:
        (spec,) = opened.inputs

        assert (spec.name, spec.dtype, spec.shape) == ("x", "float32", ("batch", 1, 8, 8))

    def test_opening_may_not_eat_all_memory(
        self, bench: SubprocessBench, model: SourceModel, tmp_path: Path
    ) -> None:
        tight = Limits(memory=64 * 1024**2, cpu=60, file=1024**3)

        with pytest.raises(BadInput) as stopped:
            bench.open_model(
                OpenModel(uri="s3://m/m", source=model, out=fresh(tmp_path, "out"), limits=tight)
            )

        assert stopped.value.reason is Reason.INVALID_MODEL

    def test_a_data_set_that_does_not_fit_is_known_before_any_step(
        self, bench: SubprocessBench, opened: Opened, tmp_path: Path
    ) -> None:
        ref = DatasetRef(name="val", uri="s3://data/val.npz", format="NPZ", inputs={"x": "labels"})
        file = write_images(tmp_path / "val.npz", 20)

        with pytest.raises(BadInput) as stopped:
            bench.open_datasets(
                OpenDatasets(
                    datasets=(DatasetFile(ref=ref, file=file, scratch=fresh(tmp_path, "scratch")),),
                    inputs=opened.inputs,
                )
            )

        assert stopped.value.reason is Reason.SHAPE_MISMATCH

    def test_a_step_that_cannot_write_says_so_in_one_line(
        self, bench: SubprocessBench, opened: Opened, entry: StepEntry, tmp_path: Path
    ) -> None:
        nowhere = tmp_path / "none"

        with pytest.raises(Internal) as stopped:
            bench.apply(self.request(opened, entry, nowhere), lambda *_: None, lambda _: None)

        assert "\n" not in stopped.value.message
