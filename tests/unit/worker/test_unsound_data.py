"""Data sets that somebody sent to do harm, or that broke on the way: refused, and named."""

import io
import struct
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lathe_worker.data import images
from tests.unit.worker.data_files import IMAGES, encoded, tar
from tests.unit.worker.unsound import PNG, opened, refusal, void

JPEG = encoded(np.repeat(np.repeat(IMAGES[:1, :, :, None], 3, axis=3)[0], 20, axis=0), "JPEG")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "data"
    made.mkdir()
    return made


def png(width: int, height: int) -> bytes:
    """A PNG that says so of itself, with hardly a pixel in it."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        size = struct.pack(">I", len(content))
        return size + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = (b"IHDR", header), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, content) for kind, content in parts)


def gif() -> bytes:
    return encoded(IMAGES[0], "GIF")


def deep_png() -> bytes:
    return encoded(IMAGES[0].astype(np.uint16) * 200)


# ---- images, in whatever they lie

BAD_IMAGES = {
    "of a format that is not read": gif(),
    "of 16 bits": deep_png(),
    "of 2 gigapixels": png(60_000, 40_000),
    "of 64 megapixels": png(8_000, 8_000),
    "that are text": b"<svg></svg>",
    "that are empty": b"",
    "of a header alone": PNG[:20],
}


@pytest.mark.parametrize("bad", BAD_IMAGES.values(), ids=BAD_IMAGES)
def test_images_are_refused_before_anything_runs(bad: bytes, folder: Path) -> None:
    tar(folder / "0.tar", {"a.png": PNG, "a.cls": b"1", "b.png": bad, "b.cls": b"0"})

    said = refusal(lambda: opened(folder, "WebDataset", labels="cls"))

    assert "s3://data/val/0.tar" in said
    assert "b.png" in said


CUT_OFF = {"PNG": PNG[:-25], "JPEG": JPEG[:-60]}


@pytest.mark.parametrize("cut", CUT_OFF.values(), ids=CUT_OFF)
def test_an_image_that_is_cut_off_is_named_when_it_is_read(cut: bytes, folder: Path) -> None:
    for name, content in (("a/0.png", PNG), ("b/1.png", cut)):
        (folder / name).parent.mkdir()
        (folder / name).write_bytes(content)
    dataset = opened(folder, "ImageFolder", labels="class")

    said = refusal(lambda: list(dataset.batches(1)))

    assert "s3://data/val/b/1.png" in said


def test_a_file_that_only_says_that_it_is_an_image_meets_no_other_decoder(folder: Path) -> None:
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n"
    tar(folder / "0.tar", {"a.jpg": postscript, "a.cls": b"1"})

    assert "a.jpg" in refusal(lambda: opened(folder, "WebDataset", labels="cls"))


def test_pixels_are_counted_from_the_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MOST_PIXELS", 20)

    with pytest.raises(ValueError, match="pixels"):
        images.decode(PNG)


# ---- tar files


def special(kind: bytes, **fields: Any) -> Callable[[Path], None]:
    """A sound sample, and something that is no file."""

    def write(file: Path) -> None:
        tar(file, {"a.png": PNG, "a.cls": b"1"})
        with tarfile.open(file, "a") as archive:
            about = tarfile.TarInfo("b.png")
            about.type = kind
            for name, value in fields.items():
                setattr(about, name, value)
            archive.addfile(about)

    return write


def holding(**members: bytes) -> Callable[[Path], None]:
    named = {name.replace("_", "."): content for name, content in members.items()}
    return lambda file: void(tar(file, {"a.png": PNG, "a.cls": b"1", **named}))


def cut(file: Path) -> None:
    tar(file, {"a.cls": b"1", "a.png": PNG, "b.cls": b"1", "b.png": bytes(5000)})
    file.write_bytes(file.read_bytes()[:4000])


def damaged(file: Path) -> None:
    tar(file, {"a.png": PNG, "a.cls": b"1"})
    content = bytearray(file.read_bytes())
    content[1024 + 5] ^= 1  # in the name of the second member, which its checksum covers
    file.write_bytes(content)


def huge(file: Path) -> None:
    """A member that says it has 8 exabytes, in base 256."""
    tar(file, {"a.png": PNG})
    content = bytearray(file.read_bytes())
    content[124:136] = b"\x80" + (1 << 62).to_bytes(11, "big")
    content[148:156] = b" " * 8
    content[148:156] = b"%06o\0 " % sum(content[:512])
    file.write_bytes(content)


def gzipped(file: Path) -> None:
    with tarfile.open(file, "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("a.png"), io.BytesIO())


BAD_TARS: dict[str, Callable[[Path], None]] = {
    "an empty file": lambda file: file.touch(),
    "no tar file at all": lambda file: void(file.write_bytes(b"PK" * 4000)),
    "an archive of nothing": lambda file: void(tar(file, {})),
    "a compressed one": gzipped,
    "one that is cut off": cut,
    "a header that changed on the way": damaged,
    "a member larger than any disk": huge,
    "a symbolic link": special(tarfile.SYMTYPE, linkname="/etc/passwd"),
    "a hard link": special(tarfile.LNKTYPE, linkname="a.png"),
    "a device": special(tarfile.CHRTYPE, devmajor=1, devminor=3),
    "a pipe": special(tarfile.FIFOTYPE),
    "a sparse file": special(tarfile.GNUTYPE_SPARSE),
    "a sparse file of pax": special(
        tarfile.REGTYPE, pax_headers={"GNU.sparse.major": "1", "GNU.sparse.size": "99999999999"}
    ),
    "a name that leads up": lambda file: void(tar(file, {"../a.png": PNG, "../a.cls": b"1"})),
    "a name from the root": lambda file: void(tar(file, {"/etc/a.png": PNG})),
    "a sample without its class": holding(b_png=PNG),
    "a sample with two images": lambda file: void(
        tar(file, {"a.png": PNG, "a.cls": b"1", "a.PNG": PNG})
    ),
    "a class in words": holding(b_png=PNG, b_cls=b"cat"),
    "a class of a thousand digits": holding(b_png=PNG, b_cls=b"1" * 1000),
    "a class beyond 64 bits": holding(b_png=PNG, b_cls=b"1" * 30),
    "a pax header without end": lambda file: void(
        tar(file, {"a.png": PNG, "a.cls": b"1", "b" * 70_000 + ".png": PNG})
    ),
}


@pytest.mark.parametrize("write", BAD_TARS.values(), ids=BAD_TARS)
def test_a_shard_is_refused_that_is(write: Callable[[Path], None], folder: Path) -> None:
    write(folder / "0.tar")

    said = refusal(lambda: opened(folder, "WebDataset", labels="cls"))

    assert "s3://data/val/0.tar" in said


def test_nothing_is_unpacked_from_a_tar_file(folder: Path) -> None:
    tar(folder / "0.tar", {"a.png": PNG, "a.cls": b"1"})

    opened(folder, "WebDataset", labels="cls")

    assert [file.name for file in folder.iterdir()] == ["0.tar"]
    assert not list(folder.parent.rglob("*.png"))


BAD_JSON = {
    "words": b'{"label": "cat"}',
    "no such key": b'{"class": 1}',
    "no mapping": b"[1, 2]",
    "no JSON": b"{label: 1}",
    "no number": b'{"label": NaN}',
    "truth": b'{"label": true}',
    "lists of different lengths": b'{"label": [[1], [2, 3]]}',
    "lists without end": b'{"label": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a number beyond 64 bits": b'{"label": ' + b"9" * 40 + b"}",
    "a number beyond reading": b'{"label": ' + b"9" * 9000 + b"}",
    "too much": b'{"label": 1, "comment": "' + b"a" * 2_000_000 + b'"}',
}


@pytest.mark.parametrize("bad", BAD_JSON.values(), ids=BAD_JSON)
def test_labels_in_json_are_refused_that_are(bad: bytes, folder: Path) -> None:
    tar(folder / "0.tar", {"a.png": PNG, "a.json": b'{"label": 1}', "b.json": bad, "b.png": PNG})

    said = refusal(lambda: opened(folder, "WebDataset", labels="json.label"))

    assert "b.json" in said


BAD_ARRAYS = {
    "pickles": {"allow_pickle": True, "arr": np.array([{}], dtype=object)},
    "strings": {"arr": np.array(["a"])},
}


@pytest.mark.parametrize("bad", BAD_ARRAYS.values(), ids=BAD_ARRAYS)
def test_arrays_in_tar_files_are_numbers(bad: dict[str, Any], folder: Path) -> None:
    out = io.BytesIO()
    np.save(out, **bad)
    tar(folder / "0.tar", {"a.npy": out.getvalue(), "a.cls": b"1"})

    assert "a.npy" in refusal(lambda: opened(folder, "WebDataset", labels="cls"))


# ---- directories of images


BAD_FOLDERS = {
    "no image": {"README.md": b"hello"},
    "an image in no directory": {"a.png": PNG},
    "an image that nobody decodes": {"a/0.png": PNG, "a/1.bmp": b"BM"},
}


@pytest.mark.parametrize("files", BAD_FOLDERS.values(), ids=BAD_FOLDERS)
def test_a_folder_is_refused_with(files: dict[str, bytes], folder: Path) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)

    refusal(lambda: opened(folder, "ImageFolder", labels="class"))
