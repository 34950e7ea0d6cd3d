"""Numbers of few bits each, one after the other, the highest bit first."""

import numpy as np

WIDEST = 32
"""Most bits of one number."""
_WORD = 32
_WINDOW = 5
"""Bytes in which a number lies wholly, wherever in a byte it begins."""


def packed(values: np.ndarray, widths: np.ndarray) -> bytes:
    """Write numbers of up to 32 bits; the last byte is filled up with zeros.

    Args:
        values: Each below two to the power of its width.
        widths: Bits of each; may be 0.
    """
    total = int(widths.sum())
    some = widths > 0
    values, widths = values[some].astype(np.uint64), widths[some].astype(np.int64)
    starts = np.cumsum(widths) - widths
    shifted = values << (2 * _WORD - starts % _WORD - widths).astype(np.uint64)
    words = starts // _WORD
    count = -(-total // _WORD) + 1
    high = np.bincount(words, (shifted >> np.uint64(_WORD)).astype(np.float64), count)
    low = (shifted & np.uint64(2**_WORD - 1)).astype(np.float64)
    # each bit is set once, so that sums are below 2**32, which a float64 holds exactly
    whole = (high + np.bincount(words + 1, low, count + 1)[:count]).astype(">u4")
    return whole.tobytes()[: -(-total // 8)]


def unpacked(data: np.ndarray, widths: np.ndarray) -> np.ndarray:
    """Read numbers that `packed` has written, as int64.

    Args:
        data: Bytes, at least as many as the widths need.
        widths: Bits of each, up to 32.
    """
    widths = widths.astype(np.int64)
    starts = np.cumsum(widths) - widths
    padded = np.concatenate((data, np.zeros(_WINDOW, np.uint8)))
    first = starts // 8
    window = np.zeros(len(widths), np.int64)
    for byte in range(_WINDOW):
        window = window << 8 | padded[first + byte]
    found: np.ndarray = window >> (8 * _WINDOW - starts % 8 - widths) & ((1 << widths) - 1)
    return found
