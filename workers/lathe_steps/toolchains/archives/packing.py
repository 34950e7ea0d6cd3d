"""From a model to an archive, which is read again before it counts."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from lathe_steps.base import Artifact, Format
from lathe_steps.errors import Internal
from lathe_steps.reasons import Reason
from lathe_steps.toolchains.archives import container, places
from lathe_steps.toolchains.archives.container import Source
from lathe_steps.toolchains.archives.reader import Damaged
from lathe_steps.toolchains.archives.streams import Codec
from lathe_steps.toolchains.count import parameters
from lathe_steps.toolchains.torch_files import ARCHITECTURE, WEIGHTS


def pack(
    artifact: Artifact, out: Path, codec: Codec, progress: Callable[[float, str], None]
) -> Artifact:
    """Write a torch or ONNX artifact as an archive, and look that every byte comes back.

    Raises:
        Internal: ConversionMismatch, when one does not.
    """
    sources = _sources(artifact)
    archive = out / container.NAME
    progress(0.0, "packing")
    sections = container.write(sources, archive, codec)
    progress(0.6, "unpacking again, to compare")
    _check([source.path for source in sources], archive)
    before, after = artifact.size, archive.stat().st_size
    weights = parameters(artifact)
    facts: dict[str, float | int | str] = {
        "params": weights,
        "bytes_before": before,
        "bytes": after,
        "ratio": round(before / after, 3),
        "bits_per_weight": round(8 * after / max(weights, 1), 3),
        **{f"{name}_bytes": count for name, count in sorted(sections.items())},
    }
    return Artifact(Format.ARCHIVE, out, (container.NAME,), facts)


def _sources(artifact: Artifact) -> list[Source]:
    if artifact.format is Format.TORCH:
        weights = artifact.path / WEIGHTS
        found = [(artifact.path / ARCHITECTURE, []), (weights, [*places.in_safetensors(weights)])]
    else:
        from lathe_steps.toolchains.graphs import layout

        found = [*layout.places(artifact.path).items()]
    return [Source(path, within) for path, within in found]


def _check(files: Sequence[Path], archive: Path) -> None:
    with ExitStack() as stack:
        streams = [stack.enter_context(file.open("rb")) for file in files]
        try:
            pieces = container.opened(archive).pieces()
            same = all(streams[i].read(len(piece)) == piece for i, piece in pieces)
        except Damaged as error:
            raise _mismatch(f"it cannot be read again ({error})") from error
        if not same or any(stream.read(1) for stream in streams):
            raise _mismatch("it does not hold the same bytes")


def _mismatch(why: str) -> Internal:
    return Internal(
        f"pack: the archive is wrong: {why}; report this, and choose the codec Zstd meanwhile",
        reason=Reason.CONVERSION_MISMATCH,
    )
