"""Making what comes next while something else is done with what came before."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Part = TypeVar("Part")
Made = TypeVar("Made")


def ahead(
    make: Callable[[Part], Made], parts: Iterable[Part], *, threads: int, depth: int
) -> Generator[Made]:
    """Make something of every part, in the order of the parts, some of it before it is asked for.

    Args:
        make: Called in other threads; what it raises is raised where its result would be given.
        parts: What to make it of.
        threads: How many are made at once.
        depth: How many are made, or are being made, and were not asked for yet.
    """
    waiting: deque[Future[Made]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="samples") as pool:
        try:
            for part in parts:
                waiting.append(pool.submit(make, part))
                if len(waiting) > depth:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
