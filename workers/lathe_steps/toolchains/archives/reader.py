"""Reading an archive that nobody vouches for: nothing is taken that is not there."""

import numpy as np

_BITS, _MORE, _LONGEST = 7, 0x80, 9


class Damaged(ValueError):  # noqa: N818 - named by what happened
    """The bytes are no archive, or were cut off or changed."""


class Reader:
    """Takes bytes off the front of an archive.

    Every method raises Damaged when there are too few.
    """

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        """Bytes that were not taken yet."""
        return len(self._data) - self._at

    def take(self, count: int) -> memoryview:
        """The next bytes."""
        if count > self.left:
            raise Damaged(f"it ends {count - self.left} bytes too early")
        self._at += count
        return self._data[self._at - count : self._at]

    def byte(self) -> int:
        """The next byte as a number."""
        return self.take(1)[0]

    def number(self, most: int) -> int:
        """The next number of variable length, which may be `most` at most."""
        value = 0
        for place in range(_LONGEST):
            byte = self.byte()
            value |= (byte & ~_MORE) << (_BITS * place)
            if byte < _MORE:
                break
        else:
            raise Damaged("a number in it does not end")
        if value > most:
            raise Damaged(f"it says {value} where {most} is the most that there can be")
        return value

    def array(self, count: int, dtype: str) -> np.ndarray:
        """The next numbers of a numpy type, such as <u2; they cannot be changed."""
        return np.frombuffer(self.take(count * np.dtype(dtype).itemsize), dtype)


def number(value: int) -> bytes:
    """A number of variable length: seven bits to a byte, the least first, as LEB128 has it."""
    found = bytearray()
    while value >= _MORE:
        found.append(value & ~_MORE & 0xFF | _MORE)
        value >>= _BITS
    found.append(value)
    return bytes(found)
