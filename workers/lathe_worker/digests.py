"""Names made of content: what is equal has an equal name, wherever and whenever it was made."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lathe_api.plan import Plan
from lathe_api.v1alpha1.datasets import DatasetRef
from lathe_api.v1alpha1.spec import Digest, Model
from lathe_steps.toolchains.versions import versions
from lathe_worker.chain import Chain, PlannedStep

FOLDER_DIGITS = 16
"""Hexadecimal digits of a run key that name the folder of its results: 64 bits, enough to tell
the runs of one output apart, and short enough to read."""


def of_bytes(content: bytes) -> Digest:
    """sha256 of what is in memory."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def of_files(files: Mapping[str, Digest]) -> Digest:
    """Digest of a folder: of the names and digests of its files, sorted by name."""
    lines = "".join(f"{files[name]} {name}\n" for name in sorted(files))
    return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"


def of_document(document: object) -> str:
    """64 hexadecimal digits that name a JSON document, however its keys are ordered."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def model_digest(model: Model, source: Digest) -> Digest:
    """Digest of the input model: its bytes, and what the resource says that they are."""
    said = model.model_dump(mode="json", exclude_none=True, exclude={"uri", "digest"})
    return f"sha256:{of_document({'source': source, **said})}"


@dataclass(frozen=True, slots=True)
class Given:
    """What all steps of a run are given.

    Attributes:
        model: Digest of the input model (see `model_digest`).
        datasets: What decides the samples, by data set (see `described`).
        seed: Makes training and sampling repeatable.
    """

    model: Digest
    datasets: Mapping[str, Any]
    seed: int


def step_key(
    planned: PlannedStep,
    *,
    artifact: Digest,
    given: Given,
    gpu: Mapping[str, str] | None = None,
) -> str:
    """Name what a step makes: equal keys, equal artifact.

    Args:
        planned: The step.
        artifact: Digest of what it changes; the input model's for the first step.
        given: What all steps are given; of the data sets, only the step's own count.
        gpu: What there is to know about the GPU here; an engine that is built on it is for it.
    """
    step = planned.step
    return of_document(
        {
            **({"gpu": dict(gpu)} if gpu and planned.is_built_here else {}),
            "artifact": artifact,
            "model": given.model,
            "kind": planned.kind,
            "parameters": step.model_dump(mode="json", exclude_none=True),
            "datasets": {name: given.datasets[name] for name in step.dataset_names()},
            "seed": given.seed,
            "versions": dict(versions(planned.kind)),
            "runtimes": _runtimes(planned) if step.lowers else [],
        }
    )


def _runtimes(planned: PlannedStep) -> list[list[object]]:
    return [[it.name, sorted(it.isa), it.pinned] for it in planned.runtimes]


def described(ref: DatasetRef, digest: Digest) -> dict[str, Any]:
    """What decides the samples of a data set: its bytes, how they are read, and what by.

    Two versions of an image decoder may differ by a little in a pixel.
    """
    said = ref.model_dump(mode="json", exclude_none=True, exclude={"name", "uri"})
    return {"digest": digest, "versions": dict(versions("datasets")), **said}


def run_key(plan: Plan, *, given: Given, chain: Chain, gpu: Mapping[str, str] | None = None) -> str:
    """Name the result of a whole run: equal keys, equal result, so that it is made only once.

    What does not decide the result is left out: who asks, credentials, and where things lie.

    Args:
        plan: What is done.
        given: What the steps are given; all data sets count.
        chain: All steps, with the runtimes that they are for.
        gpu: What there is to know about the GPU here, if an engine is built on it and nothing in
            the plan says which GPU that has to be.
    """
    work = plan.model_dump(
        mode="json", exclude_none=True, include={"steps", "targets", "evaluation"}
    )
    return of_document(
        {
            **({"gpu": dict(gpu)} if gpu else {}),
            "model": given.model,
            "datasets": dict(given.datasets),
            "seed": given.seed,
            "work": work,
            "runtimes": {it.name: _runtimes(it) for it in chain.steps if it.step.lowers},
            "versions": {kind: dict(versions(kind)) for kind in ("open", *chain.kinds)},
        }
    )
