"""What every bench promises: one suite, for the fake in unit and for real children in integration.

A subclass gives the fixtures `bench`, `model` (a model that can be opened), and `entry` (a step
that reads it).
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lathe_api.v1alpha1.steps import StepEntry
from lathe_steps.errors import BadInput
from lathe_steps.reasons import Reason
from lathe_steps.toolchains.source import SourceModel
from lathe_worker.apart import Limits
from lathe_worker.bench import ApplyStep, Bench, Opened, OpenModel

GENEROUS = Limits(memory=8 * 1024**3, cpu=120, file=1024**3)


def fresh(folder: Path, name: str) -> Path:
    path = folder / name
    path.mkdir()
    return path


class BenchConformance:
    """The promises of `lathe_worker.bench.Bench`."""

    @pytest.fixture
    def bench(self, tmp_path: Path) -> Iterator[Bench]:
        raise NotImplementedError

    @pytest.fixture
    def model(self, tmp_path: Path) -> SourceModel:
        raise NotImplementedError

    @pytest.fixture
    def entry(self) -> StepEntry:
        raise NotImplementedError

    @pytest.fixture
    def opened(self, bench: Bench, model: SourceModel, tmp_path: Path) -> Opened:
        return bench.open_model(
            OpenModel(
                uri="s3://models/m.onnx",
                source=model,
                out=fresh(tmp_path, "opened"),
                limits=GENEROUS,
            )
        )

    def request(self, opened: Opened, entry: StepEntry, out: Path) -> ApplyStep:
        return ApplyStep(
            name="first",
            entry=entry,
            artifact=opened.artifact,
            source=opened.artifact,
            inputs=opened.inputs,
            out=out,
            runtimes=(),
            seed=0,
            threads=1,
            checkpoints=fresh(out.parent, f"{out.name}-checkpoints"),
        )

    def test_an_opened_model_lies_where_it_was_asked_for_and_says_its_inputs(
        self, opened: Opened, tmp_path: Path
    ) -> None:
        assert opened.artifact.path.is_relative_to(tmp_path / "opened")
        assert opened.artifact.main.is_file()
        assert opened.inputs

    def test_garbage_is_bad_input_that_names_the_object(self, bench: Bench, tmp_path: Path) -> None:
        garbage = fresh(tmp_path, "garbage") / "m.onnx"
        garbage.write_bytes(b"garbage")

        with pytest.raises(BadInput) as stopped:
            bench.open_model(
                OpenModel(
                    uri="s3://models/m.onnx",
                    source=SourceModel("ONNX", garbage),
                    out=fresh(tmp_path, "out"),
                    limits=GENEROUS,
                )
            )

        assert stopped.value.reason is Reason.INVALID_MODEL
        assert "s3://models/m.onnx" in stopped.value.message

    def test_a_bench_that_refused_a_model_goes_on(
        self, bench: Bench, model: SourceModel, tmp_path: Path
    ) -> None:
        self.test_garbage_is_bad_input_that_names_the_object(bench, tmp_path)

        request = OpenModel(
            uri="s3://m/m", source=model, out=fresh(tmp_path, "opened"), limits=GENEROUS
        )

        assert bench.open_model(request).inputs

    def test_a_step_leaves_its_artifact_where_it_was_asked_for_and_its_input_alone(
        self, bench: Bench, opened: Opened, entry: StepEntry, tmp_path: Path
    ) -> None:
        before = {file: file.read_bytes() for file in opened.artifact.path.rglob("*")}

        artifact = bench.apply(
            self.request(opened, entry, fresh(tmp_path, "out")), lambda *_: None, lambda _: None
        )

        assert artifact.format is entry.step.gives(opened.artifact.format)
        assert artifact.path.is_relative_to(tmp_path / "out")
        assert artifact.main.is_file()
        assert before == {file: file.read_bytes() for file in opened.artifact.path.rglob("*")}

    def test_progress_is_a_share_and_never_goes_back(
        self, bench: Bench, opened: Opened, entry: StepEntry, tmp_path: Path
    ) -> None:
        shares: list[float] = []

        bench.apply(
            self.request(opened, entry, fresh(tmp_path, "out")),
            lambda share, _: shares.append(share),
            lambda _: None,
        )

        assert all(0 <= share <= 1 for share in shares)
        assert shares == sorted(shares)

    def test_the_same_step_on_the_same_model_makes_the_same_files(
        self, bench: Bench, opened: Opened, entry: StepEntry, tmp_path: Path
    ) -> None:
        made = [
            bench.apply(
                self.request(opened, entry, fresh(tmp_path, name)), lambda *_: None, lambda _: None
            )
            for name in ("once", "twice")
        ]

        once, twice = (
            {file.name: file.read_bytes() for file in artifact.path.rglob("*")} for artifact in made
        )
        assert once == twice

    def test_closing_twice_is_closing_once(self, bench: Bench) -> None:
        bench.close()
        bench.close()
