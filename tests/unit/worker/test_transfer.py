"""Whatever arrives in whatever order, broken however often, becomes the file that was wanted."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lathe_steps.errors import BadInput, Transient
from lathe_steps.reasons import Reason
from lathe_worker import transfer
from lathe_worker.patience import MayPass, Patience
from lathe_worker.transfer import Body, Wanted, fetch, part_size
from tests.conformance.store import MIB, bytes_of, files_in, sha256

OUTAGE = Transient("the storage broke off; try again")
QUICK = Patience(seconds=0.5, first_pause=0.0001, longest_pause=0.0005)
LASTING = Patience(seconds=60, first_pause=0.0001, longest_pause=0.0005)
"""Outlasts whatever a busy machine does meanwhile: how often it breaks is chance, not time."""


class Memory:
    """Bytes that arrive from memory, in pieces as chance has it, and break off with a chance."""

    def __init__(self, data: bytes, chance: random.Random, breaks: float) -> None:
        self._data = data
        self._chance = chance
        self._breaks = breaks

    def open(self, start: int, end: int) -> Body:
        return _Range(self._data[start:end], self._chance, self._breaks)


class _Range:
    def __init__(self, data: bytes, chance: random.Random, breaks: float) -> None:
        self._rest = data
        self._chance = chance
        self._breaks = breaks

    def read(self, amount: int, /) -> bytes:
        if self._chance.random() < self._breaks:
            raise MayPass(OUTAGE, LASTING)
        size = self._chance.randint(1, amount)
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece

    def close(self) -> None:
        self._rest = b""


@pytest.fixture(scope="module", autouse=True)
def small_parts() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transfer, "_SMALLEST_PART", 100)
        patch.setattr(transfer, "_LARGEST_PART", 300)
        patch.setattr(transfer, "CHUNK", 40)
        yield


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 3000), max_size=6),
    connections=st.integers(1, 6),
    breaks=st.sampled_from([0.0, 0.05, 0.3]),
    seed=st.integers(0, 1000),
)
def test_any_objects_over_any_connections_arrive(
    sizes: list[int], connections: int, breaks: float, seed: int
) -> None:
    chance = random.Random(seed)  # noqa: S311 - a seed, so that the example can be repeated
    content = {str(number): bytes_of(size, number) for number, size in enumerate(sizes)}
    seen: list[int] = []
    with TemporaryDirectory() as folder:
        wanted = [
            Wanted(name, len(data), Memory(data, chance, breaks).open, Path(folder, name))
            for name, data in content.items()
        ]

        found = fetch(wanted, connections=connections, progress=seen.append)

        assert found == tuple(sha256(data) for data in content.values())
        assert files_in(Path(folder)) == set(content)
        assert all(Path(folder, name).read_bytes() == data for name, data in content.items())
    assert seen == sorted(seen)
    assert (seen or [0])[-1] == sum(sizes)


def unreadable(start: int, end: int) -> Body:
    raise BadInput(f"bytes {start} to {end} are forbidden; ask", reason=Reason.ACCESS_DENIED)


def broken(_: int, __: int) -> Body:
    raise MayPass(OUTAGE, QUICK)


def buggy(_: int, __: int) -> Body:
    raise ZeroDivisionError


@pytest.mark.parametrize(
    ("error", "opening"),
    [
        pytest.param(BadInput, unreadable, id="what cannot pass"),
        pytest.param(Transient, broken, id="what does not pass"),
        pytest.param(ZeroDivisionError, buggy, id="a fault of our own"),
    ],
)
def test_one_failure_ends_it_all_and_leaves_whole_files_only(
    error: type[Exception], opening: Callable[[int, int], Body], tmp_path: Path
) -> None:
    data = bytes_of(2000)
    memory = Memory(data, random.Random(0), 0.0)  # noqa: S311 - a seed
    wanted = [Wanted(str(number), 2000, memory.open, tmp_path / str(number)) for number in range(9)]
    wanted[5] = Wanted("5", 2000, opening, tmp_path / "5")

    with pytest.raises(error):
        fetch(wanted, connections=3)

    assert files_in(tmp_path) <= {"0", "1", "2", "3", "4", "6", "7", "8"}
    assert all(path.read_bytes() == data for path in tmp_path.iterdir())


def test_a_file_that_cannot_be_made_ends_it_all(tmp_path: Path) -> None:
    memory = Memory(bytes_of(500), random.Random(0), 0.0)  # noqa: S311 - a seed
    (tmp_path / "taken").write_bytes(b"")
    wanted = [
        Wanted("a", 500, memory.open, tmp_path / "a"),
        Wanted("b", 500, memory.open, tmp_path / "taken" / "b"),
    ]

    with pytest.raises(Exception, match="taken"):
        fetch(wanted, connections=2)

    assert files_in(tmp_path) <= {"a", "taken"}


def test_nothing_wanted_is_nothing_done() -> None:
    assert fetch([], connections=4) == ()


@pytest.mark.usefixtures("small_parts")
def test_parts_are_few_but_keep_every_connection_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "_SMALLEST_PART", 8 * MIB)
    monkeypatch.setattr(transfer, "_LARGEST_PART", 64 * MIB)

    sizes = {size: part_size(size * MIB, 8) // MIB for size in (0, 1, 100, 1024, 10_000)}

    assert sizes == {0: 8, 1: 8, 100: 8, 1024: 32, 10_000: 64}
