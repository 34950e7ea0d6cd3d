"""Opening an input model that nobody vouches for.

Run this in a child process with limits: a parser that crashes or eats all memory must take
nothing else with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lathe_steps.base import Artifact, Format, TensorSpec
from lathe_steps.errors import Internal
from lathe_steps.toolchains.torch_files import read_inputs


@dataclass(frozen=True, slots=True)
class SourceModel:
    """A model as it was fetched.

    Attributes:
        format: How its weights are stored.
        path: A file, or a directory with exactly one model in it.
        architecture: Name in the registry; None for ONNX.
        args: The architecture's arguments.
        inputs: What it takes, as declared; may be empty for ONNX, whose files say it.
    """

    format: Literal["ONNX", "Safetensors", "StateDict"]
    path: Path
    architecture: str | None = None
    args: Mapping[str, Any] | None = None
    inputs: tuple[TensorSpec, ...] = ()


def open_source(source: SourceModel, out: Path) -> Artifact:
    """Check a model and write it again, in Lathe's own form.

    Args:
        source: The model.
        out: An existing, empty directory.

    Raises:
        BadInput: InvalidModel (cut off, garbage), UnsafeModel (code, or files outside of its
            folder), ShapeMismatch (not of the declared architecture or inputs),
            UnknownArchitecture, UnsupportedModel.
        InvalidSpec: When the architecture does not take its arguments.
    """
    if source.format == "ONNX":
        from lathe_steps.toolchains.graphs.untrusted import open_graph

        return open_graph(source, out)
    from lathe_steps.toolchains.networks.models.untrusted import open_network

    return open_network(source, out)


def inputs_of(artifact: Artifact) -> tuple[TensorSpec, ...]:
    """What the model of an artifact takes.

    Raises:
        Internal: For an engine, which only its runtime can read.
    """
    if artifact.format is Format.TORCH:
        return read_inputs(artifact.path)
    if artifact.format is Format.ONNX:
        from lathe_steps.toolchains.graphs import files

        return files.inputs(files.read(artifact.main, weights=False))
    raise Internal(f"{artifact.entry[0]}: the inputs of an engine cannot be read without a GPU")
