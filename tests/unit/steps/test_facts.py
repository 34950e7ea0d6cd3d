"""Small answers: instructions, versions, quantities, counts."""

import subprocess
import sys
from pathlib import Path

import pytest

from lathe_api.v1alpha1.steps import KINDS, StepEntry
from lathe_steps.base import Artifact, Format
from lathe_steps.errors import Internal
from lathe_steps.quantities import bytes_of
from lathe_steps.toolchains import isa
from lathe_steps.toolchains.count import parameters
from lathe_steps.toolchains.source import inputs_of
from lathe_steps.toolchains.versions import versions
from tests.step_runs import Bench

CPUS = {
    "an x86 with VNNI": (
        {"avx2", "avx512_vnni"},
        "processor\t: 0\nflags\t\t: fpu vme avx2 avx512_vnni sse\n\nflags\t: nothing\n",
    ),
    "an ARM": ({"asimd", "asimddp"}, "processor: 0\nFeatures\t: fp asimd asimddp crc32\n"),
    "one that says nothing": (set(), "processor: 0\n"),
}


@pytest.mark.parametrize(("expected", "cpuinfo"), CPUS.values(), ids=CPUS)
def test_instructions_of(tmp_path: Path, expected: set[str], cpuinfo: str) -> None:
    (tmp_path / "cpuinfo").write_text(cpuinfo)

    assert isa.instruction_sets(tmp_path / "cpuinfo") == expected


QUANTITIES = (
    (4 * 2**30, "4Gi"),
    (1_500_000_000, "1.5G"),
    (1000, "1k"),
    (17, "17"),
    (1, "1500m"),
    (2**10, "1Ki"),
)


def test_quantities_are_bytes() -> None:
    for expected, quantity in QUANTITIES:
        assert bytes_of(quantity) == expected


def kinds() -> list[str]:
    aliases = [StepEntry.model_fields[kind].alias or kind for kind in KINDS]
    return [*aliases, "buildEngine", "open"]


@pytest.mark.parametrize("kind", kinds())
def test_every_kind_of_step_has_versions(kind: str) -> None:
    found = versions(kind)

    assert "lathe" in found
    assert len(found) > 1


def test_versions_are_found_without_importing_anything() -> None:
    code = (
        "import sys; from lathe_steps.toolchains.versions import versions; versions('quantize'); "
        "sys.exit('onnxruntime' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.toolchain
def test_weights_are_counted_alike_in_torch_and_onnx(bench: Bench) -> None:
    from lathe_steps.export import Export

    network = bench.network("lathe.mlp")
    exported = Export().apply(network, bench.context())

    expected = 64 * 300 + 300 + 300 * 100 + 100 + 100 * 10 + 10
    assert parameters(network) == parameters(exported) == expected


def test_an_engine_is_not_looked_into(tmp_path: Path) -> None:
    engine = Artifact(Format.ENGINE, tmp_path, ("model.engine",))

    for question in (parameters, inputs_of):
        with pytest.raises(Internal):
            question(engine)
