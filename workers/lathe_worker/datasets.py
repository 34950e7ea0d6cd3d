"""Data sets: which array feeds which input, whether they fit, and samples in a fixed order."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lathe_api.v1alpha1.spec import DatasetRef
from lathe_steps.base import Batch, TensorSpec
from lathe_steps.errors import BadInput
from lathe_steps.reasons import Reason
from lathe_worker.npz import Archive

if TYPE_CHECKING:
    import numpy as np

ALLOWED_OVERLAP = 0.01
"""Share of the evaluation's samples that may be in a data set that a step has seen: collections
hold doubles by nature. More of them is a mistake."""


@dataclass(frozen=True, slots=True)
class ArrayDataset:
    """Samples as arrays that lie on disk; a batch copies only the rows that it holds.

    Attributes:
        name: As the spec calls it.
        inputs: An array per model input, first axes equal.
        dtypes: What each input takes, as a numpy name; batches are cast to it.
        labels: The class of each sample as int64, shape [samples].
    """

    name: str
    inputs: Mapping[str, np.ndarray]
    dtypes: Mapping[str, str]
    labels: np.ndarray | None

    def __len__(self) -> int:
        """How many samples there are."""
        return len(next(iter(self.inputs.values())))

    def batches(
        self, size: int, *, shuffle: int | None = None, limit: int | None = None
    ) -> Iterator[Batch]:
        """Yield batches of at most `size` samples; see `lathe_steps.Dataset`."""
        import numpy as np  # noqa: PLC0415 - only the child touches samples

        count = len(self) if limit is None else min(limit, len(self))
        order = np.arange(count) * len(self) // max(count, 1)
        if shuffle is not None:
            np.random.default_rng(shuffle).shuffle(order)
        for start in range(0, count, size):
            rows = order[start : start + size]
            yield Batch(
                {
                    name: array[rows].astype(self.dtypes[name], copy=False)
                    for name, array in self.inputs.items()
                },
                None if self.labels is None else self.labels[rows],
            )

    def digests(self) -> Iterator[bytes]:
        """A digest of each sample's inputs, whatever its label, in order."""
        arrays = [self.inputs[name] for name in sorted(self.inputs)]
        for sample in range(len(self)):
            found = hashlib.blake2b(digest_size=16)
            for array in arrays:
                found.update(array[sample].tobytes())
            yield found.digest()


def open_dataset(
    ref: DatasetRef, file: Path, scratch: Path, inputs: Sequence[TensorSpec]
) -> ArrayDataset:
    """Open a data set for a model, once everything is checked that can be without running it.

    An input without an entry in `ref.inputs` is the array of its own name; the only input of a
    model is the only array besides the labels, whatever its name.

    Args:
        ref: The data set as declared.
        file: The NPZ file.
        scratch: An existing directory for unpacked arrays; it is read while the data set is used.
        inputs: What the model takes.

    Raises:
        BadInput: InvalidDataset, when the file is not a sound NPZ file, an array is missing or
            empty, first axes differ, or labels are no integers; ShapeMismatch, when an array does
            not fit its input.
    """
    archive = Archive(file, f"data set {ref.name} ({ref.uri})")
    sources = _sources(ref, archive, inputs)
    needed = {*sources.values(), *([ref.labels] if ref.labels else [])}
    arrays = {
        name: archive.unpack(name, scratch / f"{ref.name}-{index}.npy")
        for index, name in enumerate(sorted(needed))
    }
    _require_samples(ref, arrays)
    dataset = ArrayDataset(
        ref.name,
        {name: arrays[source] for name, source in sources.items()},
        {spec.name: spec.dtype for spec in inputs},
        _labels(ref, arrays[ref.labels]) if ref.labels else None,
    )
    check_fits(dataset, inputs)
    return dataset


def check_fits(dataset: ArrayDataset, inputs: Sequence[TensorSpec]) -> None:
    """Compare a data set's arrays with what the model takes; the first axis is the sample.

    Raises:
        BadInput: ShapeMismatch, naming the input, what it takes, and what it would get.
    """
    for spec in inputs:
        array = dataset.inputs[spec.name]
        if not _fits(spec, array):
            axes = ", ".join(str(axis) for axis in spec.shape)
            found = ", ".join(str(axis) for axis in array.shape)
            raise BadInput(
                f"data set {dataset.name}: input {spec.name} takes {spec.dtype} of shape [{axes}], "
                f"but its array has {array.dtype} of shape [{found}]",
                reason=Reason.SHAPE_MISMATCH,
            )


def require_apart(evaluated: ArrayDataset, seen: Iterable[ArrayDataset]) -> None:
    """Refuse to measure on samples that training or calibration has seen.

    Raises:
        BadInput: InvalidDataset, naming both, when more than 1 % of the evaluation's samples are
            in another data set, byte by byte.
    """
    own = list(evaluated.digests())
    for other in seen:
        theirs = set(other.digests())
        shared = sum(digest in theirs for digest in own)
        if shared > ALLOWED_OVERLAP * len(own):
            raise BadInput(
                f"data sets {other.name} and {evaluated.name} share {shared} of the "
                f"{len(own)} samples to measure on: keep samples apart for the evaluation",
                reason=Reason.INVALID_DATASET,
            )


def _sources(ref: DatasetRef, archive: Archive, inputs: Sequence[TensorSpec]) -> dict[str, str]:
    """The array of each input."""
    rest = [name for name in archive.names if name != ref.labels]
    sources = {spec.name: ref.inputs.get(spec.name, spec.name) for spec in inputs}
    if not ref.inputs and len(inputs) == 1 and len(rest) == 1:
        sources = {inputs[0].name: rest[0]}
    if unknown := sorted(set(ref.inputs) - set(sources)):
        raise _invalid(
            ref, f"maps an array to {unknown[0]}, but the model's inputs are: {', '.join(sources)}"
        )
    for name, source in [*sources.items(), *([("labels", ref.labels)] if ref.labels else [])]:
        if source not in archive.names:
            raise _invalid(
                ref, f"has no array {source} for {name}; it has: {', '.join(archive.names)}"
            )
    return sources


def _require_samples(ref: DatasetRef, arrays: Mapping[str, np.ndarray]) -> None:
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise _invalid(
            ref, f"has arrays of different lengths ({said}); the first axis is the sample"
        )
    if 0 in lengths.values():
        raise _invalid(ref, "has no samples")


def _labels(ref: DatasetRef, array: np.ndarray) -> np.ndarray:
    if array.size != len(array) or array.dtype.kind not in "iu":
        raise _invalid(
            ref,
            f"labels are one integer per sample, but {ref.labels} holds {array.dtype} of "
            f"shape {list(array.shape)}",
        )
    return array.reshape(-1).astype("int64")


def _fits(spec: TensorSpec, array: np.ndarray) -> bool:
    import numpy as np  # noqa: PLC0415 - only the child touches samples

    if not spec.shape or len(spec.shape) != array.ndim:
        return False
    pairs = zip(spec.shape[1:], array.shape[1:], strict=True)
    if any(isinstance(axis, int) and axis != size for axis, size in pairs):
        return False
    try:
        return bool(np.can_cast(array.dtype, np.dtype(spec.dtype), casting="same_kind"))
    except TypeError:  # numpy has no such type, as for strings and bfloat16
        return False


def _invalid(ref: DatasetRef, why: str) -> BadInput:
    return BadInput(f"data set {ref.name} ({ref.uri}) {why}", reason=Reason.INVALID_DATASET)
