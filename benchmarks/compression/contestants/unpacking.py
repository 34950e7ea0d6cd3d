"""From Lathe's archive back to a model that can be measured.

    python -m benchmarks.compression.contestants.unpacking TASK_DIR OUT_DIR

It reads OUT_DIR/archive/*.lathe and OUT_DIR/cpu/model.onnx, and writes OUT_DIR/model.onnx and
OUT_DIR/published.json.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime as ort
from safetensors.torch import load_file

from benchmarks.compression.contestants.lathe import PUBLISHED
from benchmarks.compression.tasks import files
from benchmarks.compression.tasks.networks import BUILDERS


def main() -> None:
    """Unpack."""
    unpacked(Path(sys.argv[1]), Path(sys.argv[2]))


def unpacked(folder: Path, out: Path) -> None:
    """Unpack an archive, export what was in it, and note its size and whether nothing changed.

    The network is built by the task's own code from the weights alone, and exported as the task's
    model was. Its answers must be those of the target `cpu`, which was never packed, to the bit.
    """
    lathe = Path(sys.executable).with_name("lathe")
    (archive,) = (out / "archive").glob("*.lathe")
    subprocess.run([lathe, "unpack", archive, "--to", out / "unpacked"], check=True)
    task = files.read(folder)
    network = BUILDERS[task.architecture](**task.args)
    network.load_state_dict(load_file(out / "unpacked" / "model.safetensors"))
    files.export(network.eval(), task, out / "model.onnx")
    inputs = files.samples(folder, "test").inputs
    before, after = (
        answered(path, inputs) for path in (out / "cpu" / "model.onnx", out / "model.onnx")
    )
    told = json.loads((out / PUBLISHED).read_text())
    noted = {**told, "bytes": archive.stat().st_size, "identical": before == after}
    (out / PUBLISHED).write_text(json.dumps(noted) + "\n")


def answered(model: Path, inputs: np.ndarray) -> bytes:
    """Every bit of a model's outputs."""
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    outputs: np.ndarray = session.run(None, {session.get_inputs()[0].name: inputs})[0]
    return outputs.tobytes()


if __name__ == "__main__":
    main()
