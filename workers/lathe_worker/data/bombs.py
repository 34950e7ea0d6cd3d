"""How much may come out of what is packed."""

from lathe_worker.data.refusal import invalid

RATIO = 500
"""How often zeros that a user really has may be packed; deflate can do no more than 1,032."""
HARMLESS = 1 << 30
"""Up to here, a bomb does no harm."""


class Budget:
    """Bytes that may still come out of a file."""

    def __init__(self, packed: int, called: str, remedy: str) -> None:
        """Allow what `packed` bytes can honestly hold; `remedy` is what messages end with."""
        self._packed = max(packed, 1)
        self._most = max(HARMLESS, RATIO * packed)
        self._called = called
        self._remedy = remedy
        self._spent = 0

    def spend(self, size: int) -> None:
        """Take note of bytes that come out.

        Raises:
            BadInput: InvalidDataset, when these are far more than went in.
        """
        self._spent += size
        if self._spent > self._most:
            raise invalid(
                self._called,
                f"unpacks to {self._spent} bytes or more, {self._spent // self._packed} times its "
                f"size: {self._remedy}",
            )
