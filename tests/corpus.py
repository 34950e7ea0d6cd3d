"""Input models that mean harm or were damaged: what a stranger's bucket may hold."""

from __future__ import annotations

import io
import json
import os
import pickle  # noqa: TID251 - to write what must never be unpickled
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from tests.step_runs import small_graph

SENTINEL = "the-pickle-was-run"


class Bomb:
    """Makes a file when it is unpickled, which must never happen."""

    def __init__(self, sentinel: Path) -> None:
        self._sentinel = sentinel

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self._sentinel),)


def legacy_pickle(folder: Path) -> Path:
    """A bare pickle with code in it."""
    file = folder / "model.pt"
    file.write_bytes(pickle.dumps({"weight": Bomb(folder / SENTINEL)}))
    return file


def torch_pickle(folder: Path) -> Path:
    """A file of torch.save with code in it."""
    file = folder / "model.pt"
    torch.save({"weight": Bomb(folder / SENTINEL)}, file)
    return file


def whole_module(folder: Path) -> Path:
    """A module stored as an object, as many people do."""
    file = folder / "model.pt"
    torch.save(torch.nn.Linear(2, 2), file)
    return file


def torchscript(folder: Path) -> Path:
    """An archive with code, as TorchScript stores it."""
    file = folder / "model.pt"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("model/code/__torch__.py", "raise SystemExit")
        archive.writestr("model/data.pkl", b"\x80\x02}q\x00.")
    return file


def zip_bomb(folder: Path) -> Path:
    """An archive that is a thousand times as large as its file."""
    file = folder / "model.pt"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model/data/0", b"\0" * 10_000_000)
        archive.writestr("model/data.pkl", b"\x80\x02}q\x00.")
    return file


def not_a_state_dict(folder: Path) -> Path:
    """Tensors in a list."""
    file = folder / "model.pt"
    torch.save([torch.zeros(2)], file)
    return file


def cut_off(folder: Path) -> Path:
    """The first half of a file of torch.save."""
    file, whole = folder / "model.pt", io.BytesIO()
    torch.save({"weight": torch.zeros(1000)}, whole)
    file.write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    return file


def garbage(folder: Path, name: str = "model.pt") -> Path:
    """Random bytes."""
    file = folder / name
    file.write_bytes(np.random.default_rng(0).bytes(5000))
    return file


def empty(folder: Path, name: str) -> Path:
    """No bytes at all."""
    file = folder / name
    file.touch()
    return file


def safetensors(folder: Path, header: Any, data: bytes = b"") -> Path:
    """A safetensors file with any header."""
    file = folder / "model.safetensors"
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return file


def endless_header(folder: Path) -> Path:
    """A safetensors file whose header is said to be larger than memory."""
    file = folder / "model.safetensors"
    file.write_bytes(struct.pack("<Q", 2**60) + b"{}")
    return file


def overlapping(folder: Path) -> Path:
    """A safetensors file whose tensor lies beyond its end."""
    entry = {"dtype": "F32", "shape": [1000], "data_offsets": [0, 4000]}
    return safetensors(folder, {"weight": entry}, b"\0" * 16)


def deep_header(folder: Path) -> Path:
    """A safetensors file whose header is nested deeper than a parser's stack."""
    return safetensors(folder, b"[" * 200_000)


def pickled_safetensors(folder: Path) -> Path:
    """A torch file under the name of a safetensors file."""
    return torch_pickle(folder).rename(folder / "model.safetensors")


def with_external_data(
    folder: Path, location: str, *, offset: int = 0, length: int | None = None
) -> Path:
    """A model whose last weight is said to lie in another file."""
    model = small_graph()
    tensor = next(t for t in model.graph.initializer if t.name == "last.weight")
    data = numpy_helper.to_array(tensor).tobytes()
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    size = len(data) if length is None else length
    for key, value in (("location", location), ("offset", offset), ("length", size)):
        tensor.external_data.add(key=key, value=str(value))
    file = folder / "model.onnx"
    file.write_bytes(model.SerializeToString())
    (folder / "weights.bin").write_bytes(b"\0" * offset + data)
    return file


def with_symbolic_link(folder: Path) -> Path:
    """Data behind a symbolic link that leads out of the folder."""
    secret = folder.parent / "secret"
    secret.write_bytes(b"\0" * 640)
    (folder / "link.bin").symlink_to(secret)
    return with_external_data(folder, "link.bin")


def with_hard_link(folder: Path) -> Path:
    """Data that is another file at the same time."""
    secret = folder.parent / "secret"
    secret.write_bytes(b"\0" * 640)
    (folder / "link.bin").hardlink_to(secret)
    return with_external_data(folder, "link.bin")


def with_pipe(folder: Path) -> Path:
    """Data that would be waited for without end."""
    os.mkfifo(folder / "pipe.bin")
    return with_external_data(folder, "pipe.bin")


def with_custom_operator(folder: Path) -> Path:
    """A model that needs somebody's library."""
    model = small_graph()
    model.graph.node[1].domain = "acme.ops"
    model.opset_import.append(helper.make_opsetid("acme.ops", 1))
    return written(folder, model)


def with_hidden_operator(folder: Path) -> Path:
    """The same within the branch of an If."""
    branch = helper.make_graph(
        [helper.make_node("Steal", [], ["s"], domain="acme.ops")],
        "branch",
        [],
        [helper.make_tensor_value_info("s", TensorProto.FLOAT, [1])],
    )
    model = small_graph()
    condition = numpy_helper.from_array(np.array(True), "condition")  # noqa: FBT003 - a tensor
    model.graph.initializer.append(condition)
    model.graph.node.append(
        helper.make_node("If", ["condition"], ["s"], then_branch=branch, else_branch=branch)
    )
    return written(folder, model)


def with_impossible_shape(folder: Path) -> Path:
    """A weight that says it is larger than all memory of the world."""
    model = small_graph()
    del model.graph.initializer[0].dims[:]
    model.graph.initializer[0].dims.extend([2**30, 2**30])
    return written(folder, model)


def with_missing_weight(folder: Path) -> Path:
    """A node that takes a tensor which nobody gives."""
    model = small_graph()
    model.graph.node[0].input[1] = "nobody"
    return written(folder, model)


def with_unknown_operator(folder: Path) -> Path:
    """An operator that ONNX does not have."""
    model = small_graph()
    model.graph.node[1].op_type = "Reluu"
    return written(folder, model)


def half_a_graph(folder: Path) -> Path:
    """A model that was cut off."""
    file = written(folder, small_graph())
    file.write_bytes(file.read_bytes()[:3000])
    return file


def without_nodes(folder: Path) -> Path:
    """A model that computes nothing."""
    model = small_graph()
    model.graph.ClearField("node")
    return written(folder, model)


def written(folder: Path, model: onnx.ModelProto) -> Path:
    """Store a model as it is."""
    file = folder / "model.onnx"
    file.write_bytes(model.SerializeToString())
    return file
