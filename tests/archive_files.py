"""Builders of archives: small files that are packed in every way there is."""

import json
from pathlib import Path

import numpy as np

from lathe_steps.toolchains.archives import container, places
from lathe_steps.toolchains.archives.container import Source
from lathe_steps.toolchains.archives.streams import Codec

DTYPES = {"float32": "F32", "float16": "F16", "int64": "I64", "int8": "I8"}


def tensors() -> dict[str, np.ndarray]:
    """A sparse clustered matrix, a dense clustered one, plain floats, halves, bytes, a counter."""
    random = np.random.default_rng(0)
    values = np.linspace(-1, 1, 16).astype(np.float32)
    clustered = random.choice(values, (60, 50))
    return {
        "sparse": np.where(random.random((60, 50)) < 0.9, np.float32(0), clustered),
        "clustered": clustered,
        "plain": random.normal(size=(40, 30)).astype(np.float32),
        "halves": random.normal(size=300).astype(np.float16).astype(np.float32),
        "bytes": random.normal(size=(30, 30), scale=9).astype(np.int8),
        "same": np.full(100, 0.5, np.float16),
        "counter": np.array(7),
    }


def safetensors(file: Path, arrays: dict[str, np.ndarray]) -> Path:
    """Write a safetensors file."""
    header, at = {}, 0
    for name, array in arrays.items():
        span = [at, at + array.nbytes]
        header[name] = {
            "dtype": DTYPES[array.dtype.name],
            "shape": array.shape,
            "data_offsets": span,
        }
        at = span[1]
    text = json.dumps(header).encode()
    parts = [len(text).to_bytes(8, "little"), text, *(a.tobytes() for a in arrays.values())]
    file.write_bytes(b"".join(parts))
    return file


def model_files(folder: Path, arrays: dict[str, np.ndarray] | None = None) -> list[Path]:
    """The two files of a torch model."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "architecture.json").write_text('{"ref": "lathe.mlp"}')
    file = folder / "model.safetensors"
    return [folder / "architecture.json", safetensors(file, arrays or tensors())]


def archived(folder: Path, files: list[Path] | None = None, codec: Codec = "Huffman") -> Path:
    """An archive of some files, by default of a torch model."""
    files = files or model_files(folder / "packed")
    sources = [
        Source(f, [*places.in_safetensors(f)] if f.suffix == ".safetensors" else []) for f in files
    ]
    archive = folder / container.NAME
    container.write(sources, archive, codec)
    return archive
