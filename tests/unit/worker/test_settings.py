"""Threads: what the process may use, not what the node has."""

import os
from pathlib import Path

import pytest

from lathe_worker.environment import environment
from lathe_worker.settings import usable_threads

CPUS = len(os.sched_getaffinity(0))


def quota(tmp_path: Path, version: int, quota: str) -> Path:
    """A cgroup's files with a quota per 100 ms."""
    if version == 2:
        (tmp_path / "cpu.max").write_text(f"{quota} 100000\n")
    else:
        (tmp_path / "cpu").mkdir()
        (tmp_path / "cpu/cpu.cfs_quota_us").write_text(f"{quota}\n")
        (tmp_path / "cpu/cpu.cfs_period_us").write_text("100000\n")
    return tmp_path


@pytest.mark.parametrize("version", [1, 2], ids=["cgroup v1", "cgroup v2"])
@pytest.mark.parametrize(
    ("expected", "amount"),
    [
        pytest.param(1, "100000", id="one CPU"),
        pytest.param(1, "20000", id="a fifth of a CPU is still a thread"),
        pytest.param(min(2, CPUS), "150000", id="one and a half are two"),
        pytest.param(CPUS, "99900000", id="more than there are"),
    ],
)
def test_a_quota_bounds_the_threads(
    expected: int, amount: str, version: int, tmp_path: Path
) -> None:
    assert usable_threads(quota(tmp_path, version, amount)) == expected


@pytest.mark.parametrize(("version", "amount"), [(1, "-1"), (2, "max")])
def test_without_a_quota_all_cpus_count(version: int, amount: str, tmp_path: Path) -> None:
    assert usable_threads(quota(tmp_path, version, amount)) == CPUS


def test_without_a_cgroup_all_cpus_count(tmp_path: Path) -> None:
    assert usable_threads(tmp_path) == CPUS


def test_an_environment_names_the_machine_and_every_toolchain_of_the_run() -> None:
    found = environment(("prune", "quantize"), threads=3)

    assert found.threads == 3
    assert {"lathe", "torch", "torch-pruning", "onnxruntime"} <= found.versions.keys()
    assert found.cpu
    assert list(found.isa) == sorted(found.isa)
