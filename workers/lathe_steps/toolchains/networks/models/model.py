"""A torch model on disk: model.safetensors, and architecture.json to build it again from."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from lathe_steps.base import Artifact, Format, TensorSpec
from lathe_steps.errors import Internal, InvalidSpec
from lathe_steps.evidence import Evidence
from lathe_steps.toolchains.networks.models import architectures
from lathe_steps.toolchains.networks.models.constraints import Constraints
from lathe_steps.toolchains.networks.models.structure import (
    Blueprint,
    Edits,
    blueprint,
    difference,
    edit,
    fit,
)
from lathe_steps.toolchains.torch_files import ARCHITECTURE, WEIGHTS, read_inputs

Facts = Mapping[str, float | int | str]


@dataclass(frozen=True, slots=True)
class Network:
    """A torch model in memory, with what is needed to build it again.

    Attributes:
        module: The model, in evaluation mode.
        ref: Its architecture in the registry.
        args: The architecture's arguments.
        inputs: What it takes.
        origin: Its structure as the architecture builds it, before anything was changed.
        constraints: What training has to keep of its weights.
    """

    module: nn.Module
    ref: str
    args: Mapping[str, Any]
    inputs: tuple[TensorSpec, ...]
    origin: Blueprint
    constraints: Constraints = field(default_factory=Constraints)

    @property
    def parameters(self) -> int:
        """Count of weights."""
        return sum(parameter.numel() for parameter in self.module.parameters())


def fresh(ref: str, args: Mapping[str, Any], inputs: tuple[TensorSpec, ...]) -> Network:
    """Build a network with fresh weights.

    Raises:
        BadInput: UnknownArchitecture.
        InvalidSpec: When the architecture does not take these arguments.
    """
    module = architectures.build(ref, args)
    return Network(module, ref, dict(args), inputs, blueprint(module))


def load(artifact: Artifact) -> Network:
    """Read a torch artifact that `save` has written.

    Raises:
        Internal: When its weights are not those of its architecture.
    """
    document = json.loads((artifact.path / ARCHITECTURE).read_text())
    network = fresh(document["ref"], document["args"], read_inputs(artifact.path))
    edits = document["edits"]
    edit(
        network.module,
        Edits(tuple(edits["identity"]), edits["sizes"], edits.get("replaced", {})),
    )
    tensors = load_file(artifact.path / WEIGHTS)
    fit(network.module, tensors)
    if odd := tensors.keys() ^ network.module.state_dict().keys():
        raise Internal(f"{WEIGHTS}: {min(odd)} is in the file or in the architecture, not in both")
    fill(network.module, tensors)
    kept = {name: tuple(names) for name, names in document.get("constraints", {}).items()}
    return replace(network, constraints=Constraints(**kept))


def fill(module: nn.Module, tensors: Mapping[str, torch.Tensor]) -> None:
    """Copy tensors into a module; what is not among them stays as it is."""
    state = module.state_dict()
    state.update(tensors)  # it keeps the versions of the modules, which a plain mapping lacks
    module.load_state_dict(state, strict=True)


def save(
    network: Network, out: Path, facts: Facts | None = None, evidence: Sequence[Evidence] = ()
) -> Artifact:
    """Write a network as an artifact.

    Args:
        network: The model.
        out: An existing directory.
        facts: What the step found out; the count of weights is added.
        evidence: What figures of the report are drawn from.

    Raises:
        InvalidSpec: When weights are gone that a step before wanted kept as they are.
        Internal: UnsupportedModel, when the network holds a module that cannot be stored.
    """
    _check_constraints(network)
    edits = difference(network.origin, network.module)
    document = {
        "ref": network.ref,
        "args": dict(network.args),
        "inputs": [asdict(spec) for spec in network.inputs],
        "edits": asdict(edits),
        "constraints": asdict(network.constraints),
    }
    (out / ARCHITECTURE).write_text(json.dumps(document, indent=1))
    save_file(separate(network.module.state_dict()), out / WEIGHTS)
    known = {"params": network.parameters, **(facts or {})}
    return Artifact(Format.TORCH, out, (WEIGHTS, ARCHITECTURE), known, tuple(evidence))


def _check_constraints(network: Network) -> None:
    held = {name for name, _ in network.module.named_parameters(remove_duplicate=False)}
    kept = network.constraints
    if gone := sorted({*kept.zeros, *kept.shared} - held):
        raise InvalidSpec(
            f"{gone[0]}: a step before made it sparse or clustered, and this one takes it away; "
            "put this step before that one"
        )


def separate(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Tensors that share no memory, as safetensors wants them; tied weights are stored twice."""
    seen: set[int] = set()
    alone = {}
    for name, tensor in tensors.items():
        storage = tensor.untyped_storage().data_ptr()
        whole = tensor.is_contiguous() and storage not in seen
        seen.add(storage)
        alone[name] = tensor if whole else tensor.clone(memory_format=torch.contiguous_format)
    return alone
