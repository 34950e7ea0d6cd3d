"""Downloads by parallel ranged reads, each written where it belongs and all hashed in order."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock
from typing import Protocol

from lathe_api.v1alpha1.spec import Digest
from lathe_worker.newfile import CHUNK, NewFile
from lathe_worker.patience import persist
from lathe_worker.store import Progress, Tally, require

_MIB = 1024 * 1024
_SMALLEST_PART, _LARGEST_PART = 8 * _MIB, 64 * _MIB
_PARTS_PER_CONNECTION = 4


class Body(Protocol):
    """The bytes of one range, as they arrive."""

    def read(self, amount: int, /) -> bytes:
        """Up to `amount` bytes, at least one; MayPass when they do not come."""
        ...

    def close(self) -> None:
        """Stop reading."""
        ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """One object, and the file that shall hold its bytes.

    Attributes:
        uri: What messages call it.
        size: Its bytes.
        open: Begins to read [start, end) of one version of it, in whatever thread asks.
        to: The file.
        expect: Refuse other bytes than these.
    """

    uri: str
    size: int
    open: Callable[[int, int], Body]
    to: Path
    expect: Digest | None = None


def fetch(
    wanted: Sequence[Wanted], *, connections: int, progress: Progress | None = None
) -> tuple[Digest, ...]:
    """Bring every object into its file, over at most so many connections at a time.

    Memory is bounded by the connections (about one CHUNK each), not by the objects. A range that
    breaks off goes on where it broke. A file appears under its name only when it is whole and as
    expected; after a failure or an interruption no part of one is left, and whole ones stay.

    Raises:
        BadInput: DigestMismatch.
        Transient: DiskFull.
        Stopped: What `open` and `read` raise.
    """
    work = _Work(wanted, connections, Tally(progress))
    hands = min(connections, sum(-(-one.size // _SMALLEST_PART) or 1 for one in wanted))
    try:
        with ThreadPoolExecutor(connections, thread_name_prefix="fetch") as threads:
            try:
                for done in as_completed([threads.submit(work.labour) for _ in range(hands)]):
                    done.result()
            finally:
                work.stop.set()
    finally:
        work.discard()
    return work.digests()


def part_size(size: int, connections: int) -> int:
    """How many bytes one request asks for.

    Few requests, since each costs some milliseconds of processor time on both sides, but several
    for each connection, so that all are busy until the end.
    """
    even = -(-size // (connections * _PARTS_PER_CONNECTION))
    return max(_SMALLEST_PART, min(_LARGEST_PART, even))


class _Arrival:
    """One file: its parts arrive in any order and are hashed in theirs.

    The hash reads back from the file what was written a moment ago (from memory, in effect), so
    it is of the bytes that are there, and needs no part to be held. Whichever thread completes
    the next part in order hashes on from there, as far as parts are complete, while the others
    go on fetching.
    """

    def __init__(self, wanted: Wanted, connections: int) -> None:
        self.wanted = wanted
        self._file = NewFile(wanted.to, wanted.size)
        self._part = part_size(wanted.size, connections)
        self._sha256 = hashlib.sha256()
        self._lock = Lock()
        self._complete: set[int] = set()
        self._hashed = 0
        self._hashing = False

    def parts(self) -> Iterator["_Part"]:
        """Every part, in order; an empty object has one, which is empty."""
        size = self.wanted.size
        for start in range(0, size, self._part) or (0,):
            yield _Part(self, start, min(start + self._part, size))

    def write(self, at: int, data: bytes) -> None:
        """Put some bytes where they belong."""
        self._file.write_at(at, data)

    def complete(self, part: "_Part") -> Digest | None:
        """Take note of a part, and hash what can be hashed.

        The call that hashes the last part lets the file appear, and answers with its digest.
        """
        with self._lock:
            self._complete.add(part.start)
            if self._hashing:
                return None
            self._hashing = True
        while (start := self._next()) is not None:
            end = min(start + self._part, self.wanted.size)
            for chunk in self._file.chunks(start, end):
                self._sha256.update(chunk)
            self._hashed = end
            if end == self.wanted.size:
                return self._appear()
        return None

    def discard(self) -> None:
        """Leave nothing of a file that is not whole."""
        self._file.discard()

    def _next(self) -> int | None:
        with self._lock:
            if self._hashed in self._complete:
                return self._hashed
            self._hashing = False
            return None

    def _appear(self) -> Digest:
        digest = f"sha256:{self._sha256.hexdigest()}"
        require(self.wanted.expect, digest, self.wanted.uri)
        self._file.commit()
        return digest


@dataclass(frozen=True, slots=True)
class _Part:
    arrival: _Arrival
    start: int
    end: int


class _Work:
    """The parts of all files, in order, for whichever thread is free."""

    def __init__(self, wanted: Sequence[Wanted], connections: int, tally: Tally) -> None:
        self.stop = Event()
        self._wanted = wanted
        self._connections = connections
        self._tally = tally
        self._lock = Lock()
        self._parts = self._all_parts()
        self._unfinished: set[_Arrival] = set()
        self._digests: dict[Wanted, Digest] = {}

    def _all_parts(self) -> Iterator[_Part]:
        for one in self._wanted:
            arrival = _Arrival(one, self._connections)
            self._unfinished.add(arrival)
            yield from arrival.parts()

    def labour(self) -> None:
        """Fetch part after part, until there are no more or all is to stop."""
        while not self.stop.is_set():
            with self._lock:
                part = next(self._parts, None)
            if part is None:
                return
            self._fetch(part)
            if not self.stop.is_set():
                self._note(part.arrival, part.arrival.complete(part))

    def _fetch(self, part: _Part) -> None:
        at = part.start

        def attempt() -> None:
            nonlocal at
            if at == part.end or self.stop.is_set():
                return
            body = part.arrival.wanted.open(at, part.end)
            try:
                while at < part.end and not self.stop.is_set():
                    data = body.read(min(CHUNK, part.end - at))
                    part.arrival.write(at, data)
                    at += len(data)
                    self._tally.add(len(data))
            finally:
                body.close()

        persist(attempt, reached=lambda: at, wait=self.stop.wait)

    def _note(self, arrival: _Arrival, digest: Digest | None) -> None:
        if digest is None:
            return
        with self._lock:
            self._digests[arrival.wanted] = digest
            self._unfinished.remove(arrival)

    def discard(self) -> None:
        """Leave nothing of files that are not whole."""
        for arrival in self._unfinished:
            arrival.discard()

    def digests(self) -> tuple[Digest, ...]:
        """What arrived, in the order that it was wanted, once all of it did."""
        return tuple(self._digests[one] for one in self._wanted)
