"""Where a run ran: what a figure or a file can depend on besides the plan."""

import platform
from collections.abc import Iterable
from pathlib import Path

from lathe_steps.base import Parameters
from lathe_steps.toolchains.gpu import this_gpu
from lathe_steps.toolchains.isa import instruction_sets
from lathe_steps.toolchains.versions import versions


class Environment(Parameters):
    """The machine and the software of a run."""

    cpu: str
    """Model of the CPU."""
    machine: str
    """Architecture, such as x86_64."""
    isa: tuple[str, ...]
    """Features of the CPU that kernels choose by, sorted."""
    threads: int
    """CPU threads that the run used."""
    system: str
    """Operating system and its version."""
    python: str
    """Version of Python."""
    versions: dict[str, str]
    """Version of every toolchain that the run uses, by distribution; Lathe's own included."""
    gpu: dict[str, str] | None = None
    """The GPU, its driver and the CUDA that it takes; None where there is none."""


def environment(kinds: Iterable[str], threads: int) -> Environment:
    """Look at this machine, for a run of these kinds of steps; imports no toolchain."""
    found = [dict(versions(kind)) for kind in ("open", *kinds)]
    gpu = this_gpu()
    return Environment(
        cpu=_cpu(),
        machine=platform.machine(),
        isa=tuple(sorted(features())),
        threads=threads,
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        versions={name: each[name] for each in found for name in sorted(each)},
        gpu=gpu.facts() if gpu else None,
    )


def features() -> frozenset[str]:
    """Features of this CPU; none where the system does not tell."""
    return instruction_sets() if Path("/proc/cpuinfo").exists() else frozenset()


def _cpu(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"
