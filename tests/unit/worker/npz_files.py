"""NPZ files as tests need them: sound ones, and every way to be unsound."""

import io
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy


class Tripwire:
    """Fires when somebody unpickles it."""

    fired = False

    def __reduce__(self) -> tuple[Callable[[], None], tuple[()]]:
        return (trip, ())


def trip() -> None:
    Tripwire.fired = True


def saved(file: Path, **arrays: Any) -> Path:
    """A sound NPZ file, or one with pickles when an array has dtype object."""
    np.savez(file, **arrays)
    return file


def npy_bytes(array: Any, **header: Any) -> bytes:
    """An .npy file whose header says what the array is, or something else."""
    out = io.BytesIO()
    said = {"shape": array.shape, "fortran_order": False, "descr": array.dtype.str, **header}
    npy.write_array_header_1_0(out, said)
    return out.getvalue() + bytes(array.tobytes())


def zipped(file: Path, members: Mapping[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file


IMAGES = np.arange(6 * 4, dtype=np.float32).reshape(6, 1, 2, 2)
LABELS = np.arange(6)


def _truncated(file: Path) -> Path:
    saved(file, images=IMAGES, labels=LABELS)
    file.write_bytes(file.read_bytes()[:-40])
    return file


def _damaged(file: Path) -> Path:
    saved(file, images=IMAGES, labels=LABELS)
    content = bytearray(file.read_bytes())
    at = content.index(b"images.npy") + 180  # within the elements, which the checksum covers
    content[at] ^= 0xFF
    file.write_bytes(content)
    return file


def _garbage(file: Path) -> Path:
    file.write_bytes(bytes(range(256)) * 16)
    return file


def _empty(file: Path) -> Path:
    file.write_bytes(b"")
    return file


def _one_npy(file: Path) -> Path:
    file.write_bytes(npy_bytes(IMAGES))
    return file


def _twice(file: Path) -> Path:
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("images.npy", npy_bytes(IMAGES))
        archive.writestr("image$.npy", npy_bytes(IMAGES))
    file.write_bytes(file.read_bytes().replace(b"image$", b"images"))
    return file


def _bomb(file: Path) -> Path:
    """Says that it holds two gigabytes of zeros, of which a few kilobytes are there."""
    zipped(file, {"images.npy": npy_bytes(IMAGES), "labels.npy": npy_bytes(LABELS)})
    content = bytearray(file.read_bytes())
    directory = content.index(b"PK\x01\x02")
    struct.pack_into("<I", content, directory + 24, 2_000_000_000)
    file.write_bytes(content)
    return file


def _encrypted(file: Path) -> Path:
    zipped(file, {"images.npy": npy_bytes(IMAGES), "labels.npy": npy_bytes(LABELS)})
    content = bytearray(file.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = -1
        while (at := content.find(mark, at + 1)) >= 0:
            content[at + offset] |= 1
    file.write_bytes(content)
    return file


def _with(**members: bytes) -> Callable[[Path], Path]:
    sound = {"images": npy_bytes(IMAGES), "labels": npy_bytes(LABELS)}
    return lambda file: zipped(
        file, {f"{name}.npy": content for name, content in {**sound, **members}.items()}
    )


UNSOUND: Mapping[str, Callable[[Path], Path]] = {
    "an empty file": _empty,
    "no zip archive at all": _garbage,
    "one array that was saved without an archive": _one_npy,
    "a file that is cut off": _truncated,
    "an element that changed on the way": _damaged,
    "two arrays of one name": _twice,
    "more arrays than anybody needs": lambda file: zipped(
        file, {f"a{i}.npy": b"" for i in range(2000)}
    ),
    "a member that is no array": lambda file: zipped(file, {"images.txt": b"hello"}),
    "an archive that is encrypted": _encrypted,
    "a bomb": _bomb,
    "pickled objects": lambda file: saved(
        file, images=np.array([Tripwire()] * 6, dtype=object), labels=LABELS
    ),
    "strings": lambda file: saved(file, images=np.array(["a"] * 6), labels=LABELS),
    "records": lambda file: saved(file, images=np.zeros(6, dtype="i4,f4"), labels=LABELS),
    "an array without axes": lambda file: saved(file, images=np.float32(1), labels=LABELS),
    "an array that says it is larger than it is": _with(
        images=npy_bytes(IMAGES, shape=(60_000_000, 1, 2, 2))
    ),
    "an array that says it is smaller than it is": _with(
        images=npy_bytes(IMAGES, shape=(5, 1, 2, 2))
    ),
    "an array of a negative size": _with(images=npy_bytes(IMAGES, shape=(-6, 1, 2, 2))),
    "a header of garbage": _with(images=b"\x93NUMPY\x01\x00\x10\x00" + b"{" * 16),
    "a header that is nested without end": _with(
        images=b"\x93NUMPY\x01\x00\x10\x27" + b"(" * 5000 + b")" * 5000
    ),
    "a header that is code": _with(
        images=b"\x93NUMPY\x01\x00\x20\x00" + b"__import__('os').abort()".ljust(32)
    ),
    "a header without an end": _with(images=b"\x93NUMPY\x02\x00\xff\xff\xff\x7f"),
    "an array of another kind of file": _with(images=b"\x89PNG\r\n\x1a\n" * 10),
}
