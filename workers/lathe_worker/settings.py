"""What a run may use, as its program says: nothing here comes from the resource."""

import math
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lathe_worker.claims import Pace


def usable_threads(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """CPUs that this process may use: its affinity, and the quota of its cgroup (v2 or v1)."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    quota = _quota(cgroup)
    return max(1, min(affinity or 1, math.ceil(quota) if math.isfinite(quota) else sys.maxsize))


def _quota(cgroup: Path) -> float:
    """CPUs' worth of time per period; infinity where there is no limit."""
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        return _quota_v1(cgroup / "cpu")
    return math.inf if quota == "max" else int(quota) / int(period)


def _quota_v1(cpu: Path) -> float:
    try:
        quota = int((cpu / "cpu.cfs_quota_us").read_text())
        period = int((cpu / "cpu.cfs_period_us").read_text())
    except (OSError, ValueError):
        return math.inf
    return quota / period if quota > 0 else math.inf


def _environment() -> Mapping[str, str]:
    return dict(os.environ)  # noqa: TID251 - handed on, scrubbed, not read for settings


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """Limits and permissions of one run.

    Attributes:
        threads: CPU threads that steps and measurements use.
        lean: Whether to need less memory: a worker of the same run ran out of it.
        allow_state_dict: Whether a torch file may be read (weights only, in a child process).
        workspace_size: Most bytes that the workspace may hold; None: what its disk has free.
        open_timeout: Seconds that checking the input model may take.
        environment: Of this process; what toolchains are tuned by is handed on to them.
        pace: How often claims upon the work are renewed and looked at.
        output: File that what toolchains print is added to; None: standard error.
    """

    threads: int = field(default_factory=usable_threads)
    lean: bool = False
    allow_state_dict: bool = False
    workspace_size: int | None = None
    open_timeout: float = 900.0
    environment: Mapping[str, str] = field(default_factory=_environment)
    pace: Pace = field(default_factory=Pace)
    output: Path | None = None
