"""What every store promises to those who write one object at a time: see `conformance.store`."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from lathe_steps.errors import BadInput
from lathe_steps.reasons import Reason
from lathe_worker.store import Store


class SwapConformance:
    """The promises of `lathe_worker.store.Store.swap_bytes`, on the fixtures store and space."""

    def test_an_object_is_created_once(self, store: Store, space: str) -> None:
        made = store.swap_bytes(f"{space}claim", b"first", over=None)

        assert made == store.stat(f"{space}claim")
        assert store.swap_bytes(f"{space}claim", b"second", over=None) is None
        assert store.read_bytes(f"{space}claim", limit=99) == b"first"

    def test_of_many_who_create_an_object_at_once_one_does(self, store: Store, space: str) -> None:
        def create(number: int) -> bool:
            return store.swap_bytes(f"{space}claim", b"%d" % number, over=None) is not None

        with ThreadPoolExecutor(8) as crowd:
            made = list(crowd.map(create, range(8)))

        assert made.count(True) == 1
        assert store.read_bytes(f"{space}claim", limit=9) == b"%d" % made.index(True)

    def test_only_the_version_that_was_seen_is_replaced(self, store: Store, space: str) -> None:
        old = store.write_bytes(f"{space}claim", b"1")
        new = store.swap_bytes(f"{space}claim", b"22", over=old)

        assert new == store.stat(f"{space}claim")
        assert store.swap_bytes(f"{space}claim", b"333", over=old) is None
        assert store.read_bytes(f"{space}claim", limit=99) == b"22"

    def test_what_is_gone_is_not_replaced(self, store: Store, space: str) -> None:
        there = store.write_bytes(f"{space}there", b"1")
        gone = replace(there, uri=f"{space}gone", name="gone")

        assert store.swap_bytes(gone.uri, b"2", over=gone) is None
        assert not store.exists(gone.uri)

    def test_an_object_is_as_old_as_its_last_write(self, store: Store, space: str) -> None:
        store.write_bytes(f"{space}claim", b"1")

        assert 0 <= store.age(f"{space}claim") < 60
        with pytest.raises(BadInput) as stopped:
            store.age(f"{space}missing")
        assert stopped.value.reason is Reason.OBJECT_NOT_FOUND
