"""The library behind engines: found, or refused with what to do."""

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from lathe_steps.base import Runtime
from lathe_steps.build_engine import BuildEngine
from lathe_steps.errors import InvalidSpec
from lathe_steps.reasons import Reason
from lathe_steps.toolchains.engines import toolchain
from tests.step_runs import Bench

LIBRARY: Any = SimpleNamespace(
    ComputeCapability=SimpleNamespace(
        __members__={"NONE": 0, "CURRENT": 1, "SM120": 120, "SM75": 75, "SM89": 89}
    )
)


def test_capabilities_are_spelled_as_nvidia_does() -> None:
    assert toolchain.known_capabilities(LIBRARY) == ("7.5", "8.9", "12.0")


class Config:
    """What a builder is told."""

    def __init__(self) -> None:
        self.num_compute_capabilities: int | None = None
        self.capabilities: dict[int, int] = {}

    def set_compute_capability(self, capability: int, index: int) -> bool:
        self.capabilities[index] = capability
        return True


def test_every_capability_is_set() -> None:
    config = Config()

    toolchain.set_capabilities(LIBRARY, config, ("8.9", "12.0"))

    assert config.num_compute_capabilities == 2
    assert config.capabilities == {0: 89, 1: 120}


def test_without_capabilities_the_library_chooses() -> None:
    config = Config()

    toolchain.set_capabilities(LIBRARY, config, ())

    assert config.num_compute_capabilities is None


def test_an_unknown_capability_gets_those_that_there_are() -> None:
    with pytest.raises(InvalidSpec) as refusal:
        toolchain.set_capabilities(LIBRARY, Config(), ("9.0",))

    assert "7.5, 8.9, 12.0" in refusal.value.message


@pytest.mark.toolchain
@pytest.mark.parametrize("runtime", ["TensorRT", "TensorRTRTX"])
def test_a_library_that_is_not_here_is_unavailable(
    bench: Bench, runtime: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, toolchain._MODULES[runtime], None)

    with pytest.raises(InvalidSpec) as refusal:
        BuildEngine().apply(bench.graph(), bench.context(runtimes=(Runtime(runtime),)))

    assert refusal.value.reason is Reason.RUNTIME_UNAVAILABLE
    assert runtime in refusal.value.message


def test_a_builder_without_its_gpu_is_unavailable() -> None:
    def builder(_: object) -> None:
        raise TypeError("pybind11::init(): factory function returned nullptr")

    library: Any = SimpleNamespace(Builder=builder)

    with pytest.raises(InvalidSpec) as refusal:
        toolchain.builder(library, "TensorRT", None)

    assert refusal.value.reason is Reason.RUNTIME_UNAVAILABLE
