"""Huffman codes of bytes, decoded many chunks at a time.

A code is canonical (RFC 1951, section 3.2.2): the lengths say all. Symbols are coded in chunks
whose lengths in bits are known, so that numpy decodes the first symbol of every chunk at once,
then the second, and so on.
"""

import heapq
from collections.abc import Iterator

import numpy as np

from lathe_steps.toolchains.archives import bits
from lathe_steps.toolchains.archives.reader import Damaged, Reader

LONGEST = 15
"""Most bits of a code word: as much as half a byte can say."""
CHUNK = 1024
"""Symbols of a chunk."""
SYMBOLS = 256
_RUN = 16
"""Most zeros in a row that half a byte can say."""
_WINDOW = 3
"""Bytes in which a code word lies wholly."""


def encoded(symbols: np.ndarray) -> bytes:
    """Code at least two different symbols, given as uint8."""
    lengths = _lengths(np.bincount(symbols, minlength=SYMBOLS))
    widths = lengths[symbols]
    chunks = np.add.reduceat(widths, np.arange(0, len(symbols), CHUNK)).astype("<u2")
    payload = bits.packed(_codes(lengths)[symbols], widths)
    return _table_bytes(lengths) + chunks.tobytes() + payload


def decoded(reader: Reader, count: int) -> np.ndarray:
    """Read so many symbols, as uint8.

    Raises:
        Damaged: When they are not there.
    """
    table, longest = _table(_read_lengths(reader))
    chunks = reader.array(-(-count // CHUNK), "<u2")
    if chunks.max() > CHUNK * longest:
        raise Damaged("a chunk of it is longer than its symbols can be")
    ends = np.cumsum(chunks, dtype=np.int64)
    payload = reader.array(-(-int(ends[-1]) // 8), "<u1")
    starts = np.concatenate(([0], ends[:-1]))
    # a chunk that lies about its end reads on into zeros, and is found out afterwards
    padded = np.concatenate((payload, np.zeros(CHUNK * LONGEST // 8 + _WINDOW, np.uint8)))
    padded = padded.astype(np.uint32)
    windows = padded[:-2] << 16 | padded[1:-1] << 8 | padded[2:]
    return _lockstep(windows, table, longest, (starts, ends, count))


def _lockstep(
    windows: np.ndarray,
    table: np.ndarray,
    longest: int,
    chunks: tuple[np.ndarray, np.ndarray, int],
) -> np.ndarray:
    starts, ends, count = chunks
    at, last = starts.copy(), (count - 1) % CHUNK
    found = np.empty((min(count, CHUNK), len(starts)), np.uint8)
    mask, room = (1 << longest) - 1, 8 * _WINDOW - longest
    end_of_last = 0
    for step in range(len(found)):
        entry = table[windows[at >> 3] >> (room - (at & 7)) & mask]
        found[step] = entry & 0xFF
        at += entry >> 8
        if step == last:
            end_of_last = int(at[-1])
    at[-1] = end_of_last
    if not np.array_equal(at, ends):
        raise Damaged("a chunk of it does not end where it says")
    return found.T.ravel()[:count]


def _lengths(counts: np.ndarray) -> np.ndarray:
    """Bits of each symbol's code word; 0 for those that do not occur."""
    weights = counts.astype(np.int64)
    while (lengths := _unlimited(weights)).max() > LONGEST:
        weights = np.where(weights > 0, weights // 2 + 1, 0)  # flatter counts, shorter words
    return lengths


def _unlimited(weights: np.ndarray) -> np.ndarray:
    lengths = np.zeros(len(weights), np.int64)
    heap = [(int(weights[s]), int(s), [int(s)]) for s in np.flatnonzero(weights)]
    heapq.heapify(heap)
    while len(heap) > 1:
        light, heavy = heapq.heappop(heap), heapq.heappop(heap)
        merged = light[2] + heavy[2]
        lengths[merged] += 1
        heapq.heappush(heap, (light[0] + heavy[0], min(light[1], heavy[1]), merged))
    return lengths


def _codes(lengths: np.ndarray) -> np.ndarray:
    """The code word of each symbol."""
    order = _in_order(lengths)
    steps = 1 << (LONGEST - lengths[order])
    codes = np.zeros(len(lengths), np.int64)
    codes[order] = (np.cumsum(steps) - steps) >> (LONGEST - lengths[order])
    return codes


def _in_order(lengths: np.ndarray) -> np.ndarray:
    """Symbols in the order of their code words."""
    used = np.flatnonzero(lengths)
    return used[np.argsort(lengths[used], kind="stable")]


def _table(lengths: np.ndarray) -> tuple[np.ndarray, int]:
    """What the next bits mean: the symbol, and above its eight bits the length of its word."""
    order, longest = _in_order(lengths), int(lengths.max())
    shares = 1 << (longest - lengths[order])
    if not longest or shares.sum() != 1 << longest:
        raise Damaged("a code in it is no prefix code")
    return np.repeat(order | lengths[order] << 8, shares).astype(np.int32), longest


def _table_bytes(lengths: np.ndarray) -> bytes:
    """The last symbol, then half a byte for each length.

    A length of 0 stands for a run of such symbols; its length less one follows.
    """
    last = int(np.flatnonzero(lengths)[-1])
    halves: list[int] = []
    symbol = 0
    while symbol <= last:
        halves.append(int(lengths[symbol]))
        run = 1
        if not lengths[symbol]:
            while run < _RUN and not lengths[symbol + run]:
                run += 1
            halves.append(run - 1)
        symbol += run
    halves += [0] * (len(halves) % 2)
    pairs = zip(halves[::2], halves[1::2], strict=True)
    return bytes([last, *(high << 4 | low for high, low in pairs)])


def _read_lengths(reader: Reader) -> np.ndarray:
    last, lengths, half = reader.byte(), np.zeros(SYMBOLS, np.int64), _halves(reader)
    symbol = 0
    while symbol <= last:
        lengths[symbol] = next(half)
        symbol += 1 if lengths[symbol] else next(half) + 1
    return lengths


def _halves(reader: Reader) -> Iterator[int]:
    while True:
        byte = reader.byte()
        yield byte >> 4
        yield byte & 15
