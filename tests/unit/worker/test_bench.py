"""The fake bench keeps what every bench promises, so that tests with it speak of the real one."""

from pathlib import Path

import pytest

from lathe_api.v1alpha1.steps import StepEntry
from lathe_steps.simplify import Simplify
from lathe_steps.toolchains.source import SourceModel
from lathe_worker.bench import Bench
from tests.conformance.bench import BenchConformance
from tests.fake_bench import FakeBench


class TestFakeBench(BenchConformance):
    @pytest.fixture
    def bench(self) -> Bench:
        return FakeBench()

    @pytest.fixture
    def model(self, tmp_path: Path) -> SourceModel:
        path = tmp_path / "model.onnx"
        path.write_bytes(b"graph")
        return SourceModel("ONNX", path)

    @pytest.fixture
    def entry(self) -> StepEntry:
        return StepEntry(name="first", simplify=Simplify())
