"""Archives: every bit comes back, in few bytes, and nothing else comes of damaged ones."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lathe_steps.toolchains.archives import blocks, container, gaps, huffman, streams
from lathe_steps.toolchains.archives.reader import Damaged, Reader, number
from lathe_steps.toolchains.archives.streams import Codec
from tests.archive_files import archived, model_files, tensors

CODECS: tuple[Codec, ...] = ("Huffman", "Zstd")
ONCE = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def reader(data: bytes) -> Reader:
    return Reader(memoryview(data))


def unpacked(archive: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    held = container.opened(archive)
    for index, piece in held.pieces():
        name = held.files[index].name
        found[name] = found.get(name, b"") + bytes(piece)
    return found


@pytest.mark.parametrize("codec", CODECS)
def test_every_byte_of_a_model_comes_back(tmp_path: Path, codec: Codec) -> None:
    files = model_files(tmp_path / "packed")

    archive = archived(tmp_path, files, codec)

    assert unpacked(archive) == {file.name: file.read_bytes() for file in files}


@st.composite
def numbers(draw: st.DrawFn) -> blocks.Numbers:
    """Anything from noise to a sparse matrix of few values."""
    width = draw(st.sampled_from([1, 2, 4, 8]))
    size = draw(st.integers(1, 3000))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    bits = random.integers(0, 1 << 8 * width, size, dtype=f"u{width}", endpoint=False)
    if width == 4 and draw(st.booleans()):
        bits = random.normal(size=size).astype(np.float16).astype(np.float32).view(np.uint32)
    if draw(st.booleans()):
        bits = random.choice(bits[: draw(st.integers(1, 300))], size)
    bits = np.where(random.random(size) < draw(st.sampled_from([0, 0.5, 0.99, 1])), 0, bits)
    columns = draw(st.sampled_from([None, *(n for n in (1, 2, 7, size) if size % n == 0)]))
    return blocks.Numbers(bits.astype(f"u{width}"), width == 4, columns)


@ONCE
@given(numbers(), st.sampled_from(CODECS))
def test_any_numbers_come_back(given_numbers: blocks.Numbers, codec: Codec) -> None:
    done = blocks.written(given_numbers, codec)

    rest = reader(bytes(done.data))
    np.testing.assert_array_equal(blocks.read(rest, given_numbers.bits.nbytes), given_numbers.bits)
    assert rest.left == 0
    assert sum(done.sections.values()) == len(done.data)


@ONCE
@given(hnp.arrays(np.float32, st.integers(1, 50), elements=st.floats(width=32)))
def test_floats_that_are_no_numbers_come_back(floats: np.ndarray) -> None:
    bits = floats.view(np.uint32)

    done = blocks.written(blocks.Numbers(bits, is_float32=True), "Huffman")

    np.testing.assert_array_equal(blocks.read(reader(bytes(done.data)), bits.nbytes), bits)


@ONCE
@given(st.sets(st.integers(0, blocks.LARGEST - 1), min_size=1, max_size=200))
def test_positions_come_back_however_far_apart(places: set[int]) -> None:
    positions = np.array(sorted(places))

    written = gaps.written(positions, "Huffman")

    found = gaps.read(reader(written), len(positions), blocks.LARGEST)
    np.testing.assert_array_equal(found, positions)


@ONCE
@given(st.integers(0, 2**62))
def test_a_number_comes_back(value: int) -> None:
    assert reader(number(value)).number(2**62) == value


COUNTS = {
    "two symbols": [9, 1],
    "as many as there are": [3] * 256,
    "counts that want code words longer than there are": [int(1.62**i) for i in range(28)],
}


@pytest.mark.parametrize("counts", COUNTS.values(), ids=COUNTS)
def test_symbols_come_back(counts: list[int]) -> None:
    symbols = np.repeat(np.arange(len(counts)), counts).astype(np.uint8)
    np.random.default_rng(0).shuffle(symbols)

    coded = huffman.encoded(symbols)

    np.testing.assert_array_equal(huffman.decoded(reader(coded), len(symbols)), symbols)


def test_a_code_is_within_a_twentieth_of_the_entropy() -> None:
    symbols = np.random.default_rng(0).geometric(0.2, 100_000).clip(0, 255).astype(np.uint8)
    shares = np.bincount(symbols) / len(symbols)
    entropy = -(shares * np.log2(shares, where=shares > 0, out=np.zeros_like(shares))).sum()

    assert len(huffman.encoded(symbols)) * 8 < 1.05 * entropy * len(symbols)


def size_of(name: str, codec: Codec = "Huffman") -> float:
    """Bits for each number of a tensor."""
    array = tensors()[name]
    bits = array.ravel().view(f"u{array.itemsize}")
    columns = array.shape[-1] if array.ndim > 1 else None
    done = blocks.written(blocks.Numbers(bits, array.dtype == np.float32, columns), codec)
    return 8 * len(done.data) / array.size


SIZES = {
    "sparse": 1.2,
    "clustered": 4.3,
    "halves": 16.2,
    "bytes": 6.5,
    "same": 0.6,
    "plain": 28.5,
}
"""Bits that each kind of tensor may take: 16 values have 4, and one in ten needs half a bit."""


@pytest.mark.parametrize("name", SIZES)
def test_it_is_short(name: str) -> None:
    assert size_of(name) < SIZES[name]


def test_noise_costs_next_to_nothing_more() -> None:
    noise = np.random.default_rng(0).integers(0, 2**32, 10_000, dtype=np.uint32)

    done = blocks.written(blocks.Numbers(noise), "Huffman")

    assert len(done.data) < noise.nbytes + 16


def test_a_matrix_is_read_the_way_that_is_shorter() -> None:
    matrix = np.zeros((256, 256), np.uint32)
    matrix[:, ::32] = np.arange(256)[:, None] % 7

    rows = blocks.written(blocks.Numbers(matrix.ravel()), "Huffman")
    both = blocks.written(blocks.Numbers(matrix.ravel(), columns=256), "Huffman")

    assert len(both.data) < len(rows.data)


def test_a_tensor_larger_than_a_block_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lathe_steps.toolchains.archives.places.LARGEST", 1000)
    monkeypatch.setattr(container, "_PIECE", 1000)
    files = model_files(tmp_path / "packed")

    assert unpacked(archived(tmp_path, files)) == {file.name: file.read_bytes() for file in files}


def test_an_empty_file_comes_back(tmp_path: Path) -> None:
    files = [*model_files(tmp_path / "packed"), tmp_path / "packed" / "model.onnx.data"]
    files[-1].write_bytes(b"")

    held = container.opened(archived(tmp_path, files))

    assert [file.size for file in held.files][-1] == 0
    assert sum(len(piece) for _, piece in held.pieces()) == held.size


class Whole(dict[Codec, bytes]):
    """A sound archive by codec."""

    def __repr__(self) -> str:
        return "sound archives"  # Hypothesis shows arguments


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    return Whole({c: archived(tmp_path_factory.mktemp(c), codec=c).read_bytes() for c in CODECS})


def content(data: bytes) -> bytes | None:
    """What is packed; None when it is found to be damaged. Nothing else is ever raised."""
    try:
        return b"".join(piece for _, piece in container.Archive(memoryview(data)).pieces())
    except Damaged:
        return None


CHANGES = st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(1, 255)), min_size=1, max_size=3)


@settings(max_examples=100, deadline=None)
@given(changes=CHANGES, codec=st.sampled_from(CODECS))
def test_a_changed_archive_is_found_out_or_does_not_matter(
    whole: Whole, changes: list[tuple[int, int]], codec: Codec
) -> None:
    changed = bytearray(whole[codec])
    for place, bits in changes:
        changed[place % len(changed)] ^= bits

    assert content(bytes(changed)) in {None, content(whole[codec])}


@settings(max_examples=100, deadline=None)
@given(place=st.integers(0, 1 << 20), codec=st.sampled_from(CODECS))
def test_an_archive_that_was_cut_off_is_found_out(whole: Whole, place: int, codec: Codec) -> None:
    assert content(whole[codec][: place % len(whole[codec])]) is None


@settings(max_examples=100, deadline=None)
@given(garbage=st.binary(max_size=300))
def test_garbage_after_a_sound_beginning_is_found_out(garbage: bytes) -> None:
    begins = container.MAGIC + bytes([1, 1]) + number(10_000) + bytes(8)

    assert content(begins + garbage) is None


BOMBS = {
    "more than an archive can hold": bytes([1, 1]) + number(1 << 40) + bytes(8),
    "a size beyond all disks": bytes([1, 1]) + b"\xff" * 8 + b"\x7f" + bytes(8),
    "a file that no model has": bytes([1, 9]) + number(1) + bytes(8),
    "one file twice": bytes([2, 1, 4, 1, 4]) + bytes(8),
    "no file at all": bytes([0]) + bytes(8),
}


@pytest.mark.parametrize("head", BOMBS.values(), ids=BOMBS)
def test_it_does_not_believe(head: bytes) -> None:
    with pytest.raises(Damaged):
        container.Archive(memoryview(container.MAGIC + head + bytes(100)))


def test_a_frame_that_holds_more_than_it_says_is_not_decompressed() -> None:
    frame = streams.compressed(bytes(1 << 20))

    with pytest.raises(Damaged):
        streams.decompressed(memoryview(frame), 1000)


def test_the_next_version_of_the_format_is_named() -> None:
    with pytest.raises(Damaged, match="version 2"):
        container.Archive(memoryview(container.MAGIC[:-1] + b"\x02" + bytes(100)))
