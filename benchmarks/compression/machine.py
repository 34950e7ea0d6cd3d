"""What the figures were measured on."""

import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGES = ("lathe", "torch", "onnx", "onnxruntime", "torch-pruning", "numpy")
KERNELS = (
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx_vnni",
    "avx512_bf16",
    "amx_int8",
    "asimddp",
    "i8mm",
)
"""Flags of a CPU by which runtimes choose their kernels."""


def described() -> dict[str, Any]:
    """CPU, its instruction sets, memory, versions, and how busy the machine is."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    said: dict[str, str] = {}
    for line in lines:
        key, _, value = line.partition(":")
        said.setdefault(key.strip(), value.strip())
    flags = (said.get("flags") or said.get("Features") or "").split()
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cpu": said.get("model name", platform.machine()),
        "isa": [flag for flag in KERNELS if flag in flags],
        "cores": len(os.sched_getaffinity(0)),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "versions": {name: version(name) for name in PACKAGES},
        "commit": _commit(),
    }


def note(out: Path) -> None:
    """Write the description beside the results."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "machine.json").write_text(json.dumps(described(), indent=1) + "\n")


def _commit() -> str:
    told = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    )
    return told.stdout.strip()
