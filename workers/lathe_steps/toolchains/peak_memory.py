"""How much memory a model takes: measured in a process of its own, which loads it and runs it once.

    python -m lathe_steps.toolchains.peak_memory MODEL INPUTS.npz THREADS

prints the bytes that loading the model and one call add, at most at a time, to a process that has
ONNX Runtime and the inputs in it.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from lathe_steps.base import Artifact, Format
from lathe_steps.errors import Internal
from lathe_steps.toolchains.onnx_runtime import Session

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

_STATUS = Path("/proc/self/status")
_KIB = 1024


def peak_memory(artifact: Artifact, sample: Mapping[str, np.ndarray], threads: int) -> int | None:
    """Bytes that a model and one call of it take; None where the system does not say.

    Args:
        artifact: An ONNX artifact.
        sample: One call's inputs.
        threads: CPU threads.

    Raises:
        Internal: When the model cannot be loaded or run there.
    """
    if not _STATUS.exists():
        return None
    import numpy as np

    with TemporaryDirectory() as folder:
        inputs = Path(folder) / "inputs.npz"
        np.savez(inputs, allow_pickle=False, **sample)
        command = ["-m", __name__, str(artifact.main), str(inputs), str(threads)]
        done = subprocess.run(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-P", *command], capture_output=True, text=True, check=False
        )
    if done.returncode:
        last = done.stderr.strip().rpartition("\n")[2]
        raise Internal(f"measuring the memory of {artifact.main.name} failed: {last}")
    return int(done.stdout)


def main(model: str, inputs: str, threads: str) -> int:
    """Load a model, run it once, and give the bytes that this took."""
    import numpy as np
    import onnxruntime as ort

    with np.load(inputs, allow_pickle=False) as archive:
        sample = {name: archive[name] for name in archive.files}
    ort.set_default_logger_severity(4)
    before = _kib("VmRSS")
    file = Path(model)
    Session(Artifact(Format.ONNX, file.parent, (file.name,)), int(threads)).run(sample)
    return max(_kib("VmHWM") - before, 0) * _KIB


def _kib(name: str) -> int:
    lines = _STATUS.read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


if __name__ == "__main__":
    sys.stdout.write(str(main(*sys.argv[1:])))
