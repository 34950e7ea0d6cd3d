"""Streams of bytes whose count is known, each as short as its coder makes it."""

from enum import IntEnum
from typing import Literal

import numpy as np
import zstandard

from lathe_steps.toolchains.archives import huffman
from lathe_steps.toolchains.archives.reader import Damaged, Reader, number

Codec = Literal["Huffman", "Zstd"]

_SMALL = 1 << 20
_THOROUGH, _QUICK = 19, 9
"""Levels of zstd, for up to 1 MiB and for more."""
_WINDOW = 1 << 24
"""Most bytes that a frame may look back, for which memory is taken; level 19 looks back 8 MiB."""


class Coder(IntEnum):
    """How a stream is written."""

    STORED = 0
    CONSTANT = 1
    HUFFMAN = 2
    ZSTD = 3


def written(symbols: np.ndarray, codec: Codec) -> bytes:
    """A stream of uint8 in the fewest bytes that the codec, or none, makes of it."""
    if not len(symbols):
        return b""
    if (symbols == symbols[0]).all():
        return bytes([Coder.CONSTANT, symbols[0]])
    if codec == "Huffman":
        coded = bytes([Coder.HUFFMAN]) + huffman.encoded(symbols)
    else:
        frame = compressed(symbols.tobytes())
        coded = bytes([Coder.ZSTD]) + number(len(frame)) + frame
    return coded if len(coded) <= len(symbols) else bytes([Coder.STORED]) + symbols.tobytes()


def read(reader: Reader, count: int) -> np.ndarray:
    """Read a stream of so many bytes, as uint8.

    Raises:
        Damaged: When it is not there.
    """
    if not count:
        return np.empty(0, np.uint8)
    match reader.byte():
        case Coder.STORED:
            return reader.array(count, "<u1")
        case Coder.CONSTANT:
            return np.full(count, reader.byte(), np.uint8)
        case Coder.HUFFMAN:
            return huffman.decoded(reader, count)
        case Coder.ZSTD:
            frame = reader.take(reader.number(reader.left))
            return np.frombuffer(decompressed(frame, count), np.uint8)
        case other:
            raise Damaged(f"a stream of it has the coder {other}, which there is not")


def compressed(data: bytes) -> bytes:
    """A zstd frame without magic number, size or checksum, which the archive has already."""
    parameters = zstandard.ZstdCompressionParameters.from_level(
        _THOROUGH if len(data) <= _SMALL else _QUICK,
        format=zstandard.FORMAT_ZSTD1_MAGICLESS,
        write_content_size=False,
        write_checksum=False,
        write_dict_id=False,
    )
    return zstandard.ZstdCompressor(compression_params=parameters).compress(data)


def decompressed(frame: memoryview, count: int) -> bytes:
    """What a frame holds, which has to be so many bytes.

    Raises:
        Damaged: When it is not.
    """
    decompressor = zstandard.ZstdDecompressor(
        format=zstandard.FORMAT_ZSTD1_MAGICLESS, max_window_size=_WINDOW
    )
    try:  # a stream takes memory for what is read, not for what the frame says that it holds
        with decompressor.stream_reader(frame) as stream:
            data: bytes = stream.read(count + 1)
    except zstandard.ZstdError as error:
        raise Damaged(f"a frame of it cannot be decompressed ({error})") from error
    if len(data) != count:
        raise Damaged(f"a frame of it does not hold {count} bytes")
    return data
